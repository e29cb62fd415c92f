"""Stage 3: the receipt, counted in what was stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from time import monotonic

import pyarrow as pa
import pyarrow.compute as pc

from darkroom.images.backbone import backbone_id
from darkroom.run.receipt import NAMED_DUPLICATES, Duplicates, Receipt
from darkroom.storage.parquet import from_parquet
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store
from emr_serverless_job.request import Request

_TYPES = {"has_more": pa.bool_()}


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


def count_stored(store: Store, request: Request, clock: Clock) -> Receipt:
    """The run's receipt (without its PCA note), from the rows in `Results/`, `Rejected/` and
    `Skipped/`.

    A row counts if the manifest names its path and no other row has it: a file that was lost,
    stored twice or comes from elsewhere unbalances the account.
    """
    run = request.run
    processed = _rows(store, run.results, ["path", "content_sha256", "has_more"])
    rejected = _rows(store, run.rejected, ["path", "reason"])
    skipped = _rows(store, run.skipped, ["path"])
    paths = [table["path"].to_pylist() for table in (processed, rejected, skipped)]
    stored = Counter(chain(*paths))
    named = {entry.key for entry in request.entries}
    sound = {path for path, count in stored.items() if count == 1} & named
    told = zip(paths[1], rejected["reason"].to_pylist(), strict=True)
    reasons = Counter(reason for path, reason in told if path in sound)
    missing = reasons.pop("missing", 0)
    others = sum(path in sound for path in paths[2])
    return Receipt(
        batch=run.batch,
        run=run.number,
        backbone=backbone_id(request.model),
        pixels=request.contract.id,
        found=len(request.entries) - others,
        processed=sum(path in sound for path in paths[0]),
        rejected=reasons.total(),
        missing=missing,
        skipped=others,
        with_more_pages=pc.sum(processed["has_more"]).as_py() or 0,
        rejected_by_reason=dict(sorted(reasons.items())),
        duplicates=_duplicates(processed),
        pca=None,
        seconds=dict(clock.seconds),
        started_at=clock.started_at,
        finished_at=utc_now(),
        expected=request.expected,
    )


def _rows(store: Store, folder: str, columns: list[str]) -> pa.Table:
    """Some columns of all files of a folder."""
    keys = store.list(folder, ".parquet")
    read = read_ahead(lambda key: from_parquet(store.read(key), columns), keys, store.read_ahead)
    empty = pa.table({name: pa.array([], _TYPES.get(name, pa.string())) for name in columns})
    return pa.concat_tables([empty, *read])


def _duplicates(processed: pa.Table) -> Duplicates:
    counts = pc.value_counts(processed["content_sha256"])
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    among = processed.filter(pc.is_in(processed["content_sha256"], repeated))
    groups = defaultdict(list)
    for row in among.select(["path", "content_sha256"]).to_pylist():
        groups[row["content_sha256"]].append(row["path"])
    named = sorted(sorted(paths) for paths in groups.values())
    return Duplicates(sum(len(paths) - 1 for paths in named), named[:NAMED_DUPLICATES])
