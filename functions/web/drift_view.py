"""How far batches are from each other, by their runs' statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from darkroom.coordinates.drift import LEAST_IMAGES, Gaussian, frechet_distance
from darkroom.coordinates.pointer import runs_with_share
from darkroom.coordinates.statistics import Statistics
from darkroom.coordinates.total import statistics_without, sum_of_shares
from darkroom.errors import ObjectNotFoundError
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.storage.store import Store
from functions.web.problems import bad_request, not_found


@dataclass(frozen=True)
class DriftView:
    """Answers from sums and Gram matrices alone: no feature is read."""

    results: Store

    def drift(self, batch: str, other: str | None) -> dict[str, Any]:
        """The squared Fréchet distance of a batch from another one, or from all others."""
        corpus = runs_with_share(self.results)
        own = _runs_of(corpus, batch)
        one = self._sum(own)
        if other is None:
            two = statistics_without(self.results, corpus, own)
        else:
            two = self._sum(_runs_of(corpus, other))
        for name, some in ((batch, one), (other, two)):
            if some is None or some.n < LEAST_IMAGES:
                count, who = some.n if some else 0, "the others" if name is None else repr(name)
                raise bad_request(
                    f"{who}: {count} images are too few to tell; {LEAST_IMAGES} are needed"
                )
        assert one is not None
        assert two is not None
        return {
            "batch": batch,
            "other": other,
            "images": one.n,
            "other_images": two.n,
            "distance": round(frechet_distance(Gaussian.of(one), Gaussian.of(two)), 6),
            "halves": self._halves(own),
        }

    def _sum(self, runs: Sequence[Run]) -> Statistics | None:
        return sum_of_shares(self.results, [run.statistics for run in runs])

    def _halves(self, runs: Sequence[Run]) -> float | None:
        """How far the halves of the newest run that tells it are apart."""
        for run in reversed(runs):
            try:
                note = receipt.unpack(self.results.read(run.receipt)).drift
            except ObjectNotFoundError:
                continue
            if note is not None and note.halves is not None:
                return note.halves
        return None


def _runs_of(corpus: Sequence[Run], batch: str) -> list[Run]:
    """Raises `ProblemError` where there are none."""
    runs = sorted(run for run in corpus if run.batch == batch)
    if not runs:
        raise not_found(f"no image of a batch {batch!r} has been processed")
    return runs
