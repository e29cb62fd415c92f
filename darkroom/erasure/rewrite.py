"""Removing an image's traces from the objects that keep others' too. All but its own stays."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

import pyarrow as pa

from darkroom import manifest, receipt
from darkroom.erasure.search import Row, Spread, rows_in
from darkroom.errors import ConflictError, ObjectNotFoundError
from darkroom.layout import Run
from darkroom.manifest import Entry
from darkroom.parquet import from_parquet, without_paths
from darkroom.receipt import NAMED_DUPLICATES, Duplicates, Receipt
from darkroom.storage import Store

_TRIES = 5


def rewrite(store: Store, key: str, how: Callable[[bytes], bytes | None]) -> None:
    """Replace an object on condition that nobody else does meanwhile. `how` gives the new bytes;
    None where nothing is to change. An object that is gone is no error."""
    for attempt in range(1, _TRIES + 1):
        try:
            stored = store.read_versioned(key)
        except ObjectNotFoundError:
            return
        changed = how(stored.data)
        if changed is None:
            return
        try:
            store.write_if(key, changed, stored.etag)
            return
        except ConflictError:
            if attempt == _TRIES:
                raise


def drop_rows(store: Store, item: tuple[str, list[str]]) -> None:
    """Remove rows by path from one Parquet file; the file stays, be it without rows."""
    key, paths = item
    rewrite(store, key, lambda data: without_paths(data, pa.array(paths, pa.string())))


def drop_entries(store: Store, key: str, gone: Callable[[Entry], bool]) -> int:
    """Remove uploads from a manifest part; how many it still names."""
    left = 0

    def without(data: bytes) -> bytes | None:
        nonlocal left
        entries = manifest.unpack(data)
        kept = [entry for entry in entries if not gone(entry)]
        left = len(kept)
        return manifest.pack(kept) if len(kept) < len(entries) else None

    rewrite(store, key, without)
    return left


def restate_receipt(store: Store, spread: Spread, run: Run) -> None:
    """Let the run's receipt account for what is stored now, and for how many images were erased.

    Repeating it changes nothing: what was found, skipped and erased always adds up to the same. A
    receipt that did not balance is removed: its run has failed, and makes another.
    """
    entries = sum(
        len(manifest.unpack(store.read(key))) for key in store.list(run.manifest, ".jsonl.gz")
    )
    rows = [*rows_in(store, spread, store.list(run.results, ".parquet"))]
    reasons = _reasons(store, run)

    def restated(data: bytes) -> bytes | None:
        account = receipt.unpack(data)
        changed = receipt.pack(_restated(account, entries, rows, reasons))
        return changed if changed != data else None

    try:
        if not receipt.unpack(store.read(run.receipt)).balanced:
            store.delete([run.receipt])
    except ObjectNotFoundError:
        return
    rewrite(store, run.receipt, restated)


def _restated(
    account: Receipt, entries: int, rows: Iterable[Row], reasons: Counter[str]
) -> Receipt:
    paths = [row.path for row in rows]
    others = Counter(reasons)
    missing = others.pop("missing", 0)
    found = len(paths) + others.total() + missing
    before = account.found + account.skipped + account.erased
    return replace(
        account,
        found=found,
        processed=len(paths),
        rejected=others.total(),
        missing=missing,
        skipped=entries - found,
        rejected_by_reason=dict(sorted(others.items())),
        duplicates=_duplicates(rows),
        erased=before - entries,
    )


def _reasons(store: Store, run: Run) -> Counter[str]:
    keys = store.list(run.rejected, ".parquet")
    return Counter(
        reason
        for key in keys
        for reason in from_parquet(store.read(key), ["reason"])["reason"].to_pylist()
    )


def _duplicates(rows: Iterable[Row]) -> Duplicates:
    groups = defaultdict(list)
    for row in rows:
        groups[row.content].append(row.path)
    named = sorted(sorted(paths) for paths in groups.values() if len(paths) > 1)
    return Duplicates(sum(len(paths) - 1 for paths in named), named[:NAMED_DUPLICATES])
