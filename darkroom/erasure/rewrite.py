"""Removing an image's traces from the objects that keep others' too. All but its own stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pyarrow as pa

from darkroom import manifest
from darkroom.erasure.shares import Share, without
from darkroom.errors import ConflictError, LostAnswerError, ObjectNotFoundError, UsageError
from darkroom.manifest import Entry
from darkroom.run import receipt
from darkroom.storage.conditional_write import write_on_condition
from darkroom.storage.parquet import without_paths
from darkroom.storage.store import Requirement, Store

_TRIES = 5
_LONG_AGO = "1970-01-01T00:00:00+00:00"


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
            write_on_condition(store, key, changed, _as_read(stored.etag))
            return
        except (ConflictError, LostAnswerError):
            if attempt == _TRIES:
                raise


def _as_read(etag: str) -> Requirement:
    return Requirement(etag, "the object is the one that was read", "a job has written it anew")


def drop_rows(store: Store, item: tuple[str, list[str]]) -> None:
    """Remove rows by path from one Parquet file; the file stays, be it without rows."""
    key, paths = item
    rewrite(store, key, lambda data: without_paths(data, pa.array(paths, pa.string())))


def drop_entries(store: Store, key: str, gone: Callable[[Entry], bool]) -> int:
    """Remove uploads from a manifest part; how many it still names. One that cannot be read is left
    as it is: the certificate counts it."""
    left = 0

    def without_gone(data: bytes) -> bytes | None:
        nonlocal left
        try:
            entries = manifest.unpack(data)
        except UsageError:
            left = 1
            return None
        kept = [entry for entry in entries if not gone(entry)]
        left = len(kept)
        return manifest.pack(kept) if len(kept) < len(entries) else None

    rewrite(store, key, without_gone)
    return left


def restate_receipt(
    store: Store, share: Share, keys: set[str], erasure: int, planned_at: float
) -> None:
    """Let a run's receipt account for what is left of it, and for how many images were erased.

    Repeating it changes nothing: the receipt says which erasures it knows of. One of a job that
    began after the plan was made never counted the images. One that did not balance is removed: its
    run has failed, and makes another.
    """

    def restated(data: bytes) -> bytes | None:
        account = receipt.unpack(data)
        if datetime.fromisoformat(account.started_at or _LONG_AGO).timestamp() > planned_at:
            return None
        changed = without(account, share, keys, erasure)
        return receipt.pack(changed) if changed != account else None

    try:
        if not receipt.unpack(store.read(share.run.receipt)).balanced:
            store.delete([share.run.receipt])
    except ObjectNotFoundError:
        return
    rewrite(store, share.run.receipt, restated)
