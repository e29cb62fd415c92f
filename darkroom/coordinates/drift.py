"""Is a batch like the others? Fréchet distances in feature space, from means and covariances.

Source: Dowson and Landau, 1982; with features of a network, Heusel et al., 2017 (FID), who also
square it. A distance between samples is never 0, and the larger the fewer they are (Chong and
Forsyth, 2020): it is held against that between two halves of the same batch, interleaved, which are
smaller samples of one thing, so that what is beyond it is not chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkroom.coordinates.statistics import Statistics

LEAST_IMAGES = 100  # of a batch, and of what it is compared with
MOST_ROWS = 2048  # that the halves and labels are taken from
_NAMED_LABELS = 3
_MORE_THAN_OF_IMAGES = 1.5
_NEGLIGIBLE = 1e-12  # of the largest variance


class Gaussian:
    """A normal distribution: its `mean (d,)`, and its covariance `(d, d)` or, of fewer images, a
    `factor (r, d)` of it, whose product with itself it is."""

    def __init__(
        self,
        mean: NDArray[np.float64],
        covariance: NDArray[np.float64] | None = None,
        factor: NDArray[np.float64] | None = None,
    ) -> None:
        self.mean, self._covariance, self._factor = mean, covariance, factor

    @classmethod
    def of(cls, statistics: Statistics) -> Gaussian:
        """With the moments of these vectors."""
        return cls(statistics.mean, covariance=statistics.covariance)

    @classmethod
    def of_features(cls, features: NDArray[np.float32]) -> Gaussian:
        """With the moments of `(n, d)` features."""
        exact = features.astype(np.float64)
        mean = exact.mean(axis=0)
        factor = (exact - mean) / np.sqrt(max(len(exact) - 1, 1))
        if len(factor) > len(mean):
            return cls(mean, covariance=factor.T @ factor)
        return cls(mean, factor=factor)

    @property
    def is_factored(self) -> bool:
        """Whether `factor` is at hand."""
        return self._factor is not None

    @property
    def factor(self) -> NDArray[np.float64]:
        """`(r, d)`."""
        if self._factor is None:
            assert self._covariance is not None
            variances, vectors = np.linalg.eigh(self._covariance)
            carried = variances > variances.max(initial=0) * _NEGLIGIBLE
            self._factor = np.sqrt(variances[carried])[:, None] * vectors[:, carried].T
        return self._factor

    @property
    def trace(self) -> float:
        """The sum of the variances."""
        if self._covariance is not None:
            return float(np.trace(self._covariance))
        return float((self.factor**2).sum())

    def within(self, factor: NDArray[np.float64]) -> NDArray[np.float64]:
        """The covariance as `(r, d)` directions see it: `(r, r)`."""
        if self._covariance is not None:
            return factor @ self._covariance @ factor.T
        common = factor @ self.factor.T
        return np.asarray(common @ common.T)


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """The squared distance: that of the means, and the traces of the covariances less twice that of
    the root of their product."""
    first, second = (one, other) if one.is_factored else (other, one)
    variances = np.linalg.eigvalsh(second.within(first.factor)).clip(min=0)
    shift = ((one.mean - other.mean) ** 2).sum()
    return float(max(shift + one.trace + other.trace - 2 * np.sqrt(variances).sum(), 0.0))


@dataclass(frozen=True)
class Drift:
    """How far a batch is from what was there before it and from the batch before, and its own
    halves from each other. `labels` gives the share of the shift of the mean that comes from
    each, the largest first."""

    distance: float
    from_previous: float | None
    halves: float
    labels: dict[str, float]

    @property
    def unlike(self) -> bool:
        """Whether that is more than chance."""
        return self.distance > self.halves

    @property
    def words(self) -> str:
        """For people."""
        if not self.unlike:
            return "like what was there before: no farther from it than its halves are apart"
        times = self.distance / max(self.halves, np.finfo(float).tiny)
        return f"unlike what was there before: {times:.1f} times as far as its halves are apart"


def drift(
    batch: Gaussian,
    before: Gaussian,
    previous: Gaussian | None,
    sample: NDArray[np.float32],
    labels: Sequence[str],
) -> Drift:
    """The drift of a batch; `sample (n, d)` are features of it, each with its label."""
    first, second = (Gaussian.of_features(sample[start::2]) for start in (0, 1))
    return Drift(
        round(frechet_distance(batch, before), 6),
        round(frechet_distance(batch, previous), 6) if previous else None,
        round(frechet_distance(first, second), 6),
        moved_labels(sample, labels, before.mean),
    )


def moved_labels(
    features: NDArray[np.float32], labels: Sequence[str], mean: NDArray[np.float64]
) -> dict[str, float]:
    """The labels that the features' mean is away from `mean` for, with their shares in it, which
    add up to 1 over all labels: the largest three, of those that have more of it than of images."""
    shift = features.mean(axis=0, dtype=np.float64) - mean
    length = max(float(shift @ shift), np.finfo(float).tiny)
    along = (features.astype(np.float64) - mean) @ shift / (length * len(features))
    names, whose = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    shares, images = np.bincount(whose, weights=along), np.bincount(whose) / len(features)
    order = np.argsort(-shares, kind="stable")[:_NAMED_LABELS]
    most = (int(at) for at in order if shares[at] > _MORE_THAN_OF_IMAGES * images[at])
    return {str(names[at]): round(float(shares[at]), 4) for at in most}
