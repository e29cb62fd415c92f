"""Stage 3: the receipt, counted in what was stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from darkroom.images.backbone import backbone_id
from darkroom.layout import Run
from darkroom.run.receipt import NAMED_DUPLICATES, Duplicates, Receipt
from darkroom.storage.parquet import from_parquet
from darkroom.storage.store import Store
from emr_serverless_job.featurize import Summary
from emr_serverless_job.request import Request


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


def count_stored(store: Store, request: Request, summary: Summary, clock: Clock) -> Receipt:
    """The run's receipt (without its PCA note), from the rows in `Results/` and `Rejected/`.

    The tasks' word is taken for nothing but the names of skipped files. A row counts if the
    manifest names its path and no other row has it: an image that was lost, stored twice or comes
    from elsewhere unbalances the account.
    """
    processed = [path for (path,) in _rows(store, request.run.results, ["path"])]
    rejected = list(_rows(store, request.run.rejected, ["path", "reason"]))
    stored = Counter([*processed, *(path for path, _ in rejected)])
    named = {entry.key for entry in request.entries}
    sound = {path for path, count in stored.items() if count == 1} & named
    reasons = Counter(reason for path, reason in rejected if path in sound)
    missing = reasons.pop("missing", 0)
    return Receipt(
        batch=request.run.batch,
        run=request.run.number,
        backbone=backbone_id(request.model),
        pixels=request.contract.id,
        found=len(request.entries) - len(summary.skipped),
        processed=sum(path in sound for path in processed),
        rejected=reasons.total(),
        missing=missing,
        skipped=len(summary.skipped),
        rejected_by_reason=dict(sorted(reasons.items())),
        duplicates=_duplicates(store, request.run, summary.digests),
        pca=None,
        seconds=dict(clock.seconds),
        started_at=clock.started_at,
        finished_at=utc_now(),
        expected=request.expected,
    )


def _rows(store: Store, folder: str, columns: list[str]) -> Iterator[tuple[str, ...]]:
    for key in store.list(folder, ".parquet"):
        table = from_parquet(store.read(key), columns)
        yield from zip(*(table[name].to_pylist() for name in columns), strict=True)


def _duplicates(store: Store, run: Run, digests: list[bytes]) -> Duplicates:
    repeated = {digest.hex() for digest, count in Counter(digests).items() if count > 1}
    if not repeated:
        return Duplicates()
    groups = defaultdict(list)
    for path, digest in _rows(store, run.results, ["path", "content_sha256"]):
        if digest in repeated:
            groups[digest].append(path)
    named = sorted(sorted(paths) for paths in groups.values())
    return Duplicates(sum(len(paths) - 1 for paths in named), named[:NAMED_DUPLICATES])
