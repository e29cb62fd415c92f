"""Stage 3: the receipt, counted in what was stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from darkroom.backbone import backbone_id
from darkroom.features import from_parquet
from darkroom.layout import Run
from darkroom.receipt import NAMED_DUPLICATES, Duplicates, PcaNote, Receipt
from darkroom.storage import Store
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
        self.seconds[stage] = round(now - self._last, 3)
        self._last = now


def utc_now() -> str:
    """The time as ISO 8601, to the second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def count_stored(
    store: Store, request: Request, summary: Summary, pca: PcaNote | None, clock: Clock
) -> Receipt:
    """The run's receipt, from the rows that lie in `Results/` and `Rejected/`.

    The tasks' word is taken for nothing but the names of skipped files. `found` is the manifest's
    length, so an image that was lost, or stored twice, unbalances the account.
    """
    processed = sum(1 for _ in _values(store, request.run.results, "path"))
    reasons = Counter(_values(store, request.run.rejected, "reason"))
    missing = reasons.pop("missing", 0)
    return Receipt(
        batch=request.run.batch,
        run=request.run.number,
        backbone=backbone_id(request.model),
        found=len(request.entries) - len(summary.skipped),
        processed=processed,
        rejected=reasons.total(),
        missing=missing,
        skipped=len(summary.skipped),
        rejected_by_reason=dict(sorted(reasons.items())),
        duplicates=_duplicates(store, request.run, summary.digests),
        pca=pca,
        seconds=dict(clock.seconds),
        started_at=clock.started_at,
        finished_at=utc_now(),
    )


def _values(store: Store, folder: str, column: str) -> Iterator[str]:
    for key in store.list(folder):
        yield from from_parquet(store.read(key), [column])[column].to_pylist()


def _duplicates(store: Store, run: Run, digests: list[bytes]) -> Duplicates:
    repeated = {digest.hex() for digest, count in Counter(digests).items() if count > 1}
    if not repeated:
        return Duplicates()
    groups = defaultdict(list)
    columns = ["path", "content_sha256"]
    for key in store.list(run.results):
        for row in from_parquet(store.read(key), columns).to_pylist():
            if row["content_sha256"] in repeated:
                groups[row["content_sha256"]].append(row["path"])
    named = sorted(sorted(paths) for paths in groups.values())
    return Duplicates(sum(len(paths) - 1 for paths in named), named[:NAMED_DUPLICATES])
