"""Stage 2: the receipts, counted in what was stored."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from darkroom.images.backbone import backbone_id
from darkroom.layout import Run
from darkroom.run.receipt import NAMED_DUPLICATES, Duplicates, Receipt
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import read_columns
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store
from emr_serverless_job.apart import WHOSE, Rows, run_apart
from emr_serverless_job.engine import Engine, rows_of
from emr_serverless_job.request import Request

_PATH_BYTES, _CONTENT_BYTES = 16, 32
_FILES_A_TASK = 64
_COUNTS = "kind string, paths binary, contents binary, reasons array<string>, more long"
_COLUMNS = {
    "processed": ["path", "content_sha256", "has_more"],
    "rejected": ["path", "reason"],
    "skipped": ["path"],
}


@dataclass
class Clock:
    """When the run began, and the seconds that each stage took."""

    started_at: str = field(default_factory=lambda: utc_now())
    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=monotonic)

    def lap(self, stage: str) -> None:
        """Book the time since the last lap to `stage`."""
        now = monotonic()
        self.seconds[stage] = round(self.seconds.get(stage, 0) + now - self._last, 3)
        self._last = now


def utc_now() -> str:
    """The time as ISO 8601, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def count_stored(
    engine: Engine, requests: Sequence[Request], clock: Clock
) -> dict[Run, Receipt | Exception]:
    """The runs' receipts (without their PCA notes), from the rows in `Results/`, `Rejected/` and
    `Skipped/`.

    A row counts if the manifest names its path and no other row has it: a file that was lost,
    stored twice or comes from elsewhere unbalances the account. Tasks read the files; of each row
    the driver learns 16 bytes that stand for the path, and of an image 32 for its content.
    """
    if not requests:
        return {}
    task = _CountTask(requests[0].output)
    store = open_store(requests[0].output)
    runs = [request.run for request in requests]
    works = dict(
        zip(runs, read_ahead(partial(files_of, store), runs, store.read_ahead), strict=True)
    )
    counted = run_apart(engine, task, works, _COUNTS)
    accounts: dict[Run, Receipt | Exception] = {}
    for request in requests:
        rows = counted[request.run]
        if isinstance(rows, Exception):
            accounts[request.run] = rows
        else:
            accounts[request.run] = receipt_of(request, rows, clock)
    return accounts


def files_of(store: Store, run: Run) -> pa.Table:
    """The files that the account is about, some to a row, all of one `kind`."""
    folders = {"processed": run.results, "rejected": run.rejected, "skipped": run.skipped}
    rows = [
        {"kind": kind, "keys": keys[start : start + _FILES_A_TASK]}
        for kind, folder in folders.items()
        for keys in [store.list(folder, ".parquet")]
        for start in range(0, len(keys), _FILES_A_TASK)
    ]
    schema = pa.schema({"kind": pa.string(), "keys": pa.list_(pa.string())})
    return pa.Table.from_pylist(rows, schema)


@dataclass(frozen=True)
class _CountTask:
    """Names of stored files in, what the account needs of their rows out."""

    output: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(self.output)
        for row in rows_of(batches):
            told = {WHOSE: row[WHOSE], **stored_in(store, row)}
            yield pa.RecordBatch.from_pylist([told], _TOLD)


_TOLD = pa.schema(
    {
        WHOSE: pa.int32(),
        "kind": pa.string(),
        "paths": pa.binary(),
        "contents": pa.binary(),
        "reasons": pa.list_(pa.string()),
        "more": pa.int64(),
    }
)


def stored_in(store: Store, files: Mapping[str, Any]) -> dict[str, Any]:
    """What the account needs of the rows in some files, which a row of `files_of` names."""
    kind = str(files["kind"])

    def read(key: str) -> pa.Table:
        return read_columns(store, key, _COLUMNS[kind])

    table = pa.concat_tables(read_ahead(read, files["keys"], store.read_ahead))
    contents = table["content_sha256"].to_pylist() if kind == "processed" else []
    return {
        "kind": kind,
        "paths": b"".join(map(_path_digest, table["path"].to_pylist())),
        "contents": b"".join(bytes.fromhex(content) for content in contents),
        "reasons": table["reason"].to_pylist() if kind == "rejected" else [],
        "more": pc.sum(table["has_more"]).as_py() or 0 if kind == "processed" else 0,
    }


def _path_digest(path: str) -> bytes:
    return hashlib.blake2b(path.encode(), digest_size=_PATH_BYTES).digest()


def receipt_of(request: Request, rows: Rows, clock: Clock) -> Receipt:
    """The receipt, by what is stored in all files."""
    stored = _Stored.of(rows)
    named = _digests([_path_digest(entry.key) for entry in request.entries], _PATH_BYTES)
    sound = stored.sound(named)
    reasons = Counter(
        reason for reason, good in zip(stored.reasons, sound["rejected"], strict=True) if good
    )
    missing = reasons.pop("missing", 0)
    others = int(sound["skipped"].sum())
    return Receipt(
        batch=request.run.batch,
        run=request.run.number,
        backbone=backbone_id(request.model),
        pixels=request.contract.id,
        found=len(request.entries) - others,
        processed=int(sound["processed"].sum()),
        rejected=reasons.total(),
        missing=missing,
        skipped=others,
        with_more_pages=stored.more,
        rejected_by_reason=dict(sorted(reasons.items())),
        duplicates=_duplicates(request, named, stored),
        pca=None,
        seconds=dict(clock.seconds),
        started_at=clock.started_at,
        finished_at=utc_now(),
        expected=request.expected,
    )


@dataclass(frozen=True)
class _Stored:
    """What is stored of a run: by kind the rows' paths, digested; of processed images their
    contents' digests; reasons of the rejected; and how many files had more pages."""

    paths: Mapping[str, NDArray[np.void]]
    contents: NDArray[np.void]
    reasons: list[str]
    more: int

    @classmethod
    def of(cls, rows: Rows) -> _Stored:
        """All that tasks have told."""

        def told(name: str, kind: str) -> list[bytes]:
            return [bytes(row[name]) for row in rows if row["kind"] == kind]

        return cls(
            {kind: _digests(told("paths", kind), _PATH_BYTES) for kind in _COLUMNS},
            _digests(told("contents", "processed"), _CONTENT_BYTES),
            [reason for row in rows for reason in row["reasons"]],
            sum(row["more"] for row in rows),
        )

    def sound(self, named: NDArray[np.void]) -> dict[str, NDArray[np.bool_]]:
        """By kind, which rows count: named, and stored once."""
        every = np.concatenate(list(self.paths.values()))
        found, counts = np.unique(every, return_counts=True)
        once = np.intersect1d(found[counts == 1], named)
        return {kind: np.isin(paths, once) for kind, paths in self.paths.items()}


def _digests(parts: Sequence[bytes], size: int) -> NDArray[np.void]:
    return np.frombuffer(b"".join(parts), np.dtype((np.void, size)))


def _duplicates(request: Request, named: NDArray[np.void], stored: _Stored) -> Duplicates:
    """Of images with the same content, the paths are those of the manifest."""
    contents, counts = np.unique(stored.contents, return_counts=True)
    repeated = np.flatnonzero(np.isin(stored.contents, contents[counts > 1]))
    if not len(repeated):
        return Duplicates()
    place = {bytes(digest): number for number, digest in enumerate(named)}
    groups: dict[bytes, list[str]] = defaultdict(list)
    for row in repeated:
        at: Any = place.get(bytes(stored.paths["processed"][row]))
        if at is not None:
            groups[bytes(stored.contents[row])].append(request.entries[at].key)
    named_groups = sorted(sorted(paths) for paths in groups.values())
    images = sum(len(paths) - 1 for paths in named_groups)
    return Duplicates(images, named_groups[:NAMED_DUPLICATES])
