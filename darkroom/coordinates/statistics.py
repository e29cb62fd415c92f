"""Mergeable first and second moments of features: all that PCA needs to know of them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkroom.errors import UsageError

_ROWS = 4096  # 42 MB in float64, for 1280 dimensions


@dataclass(frozen=True)
class Statistics:
    """`n` vectors' sum `(d,) float64` and Gram matrix `(d, d) float64`, not centred.

    Adding two gives the statistics of both sets of vectors, in any order and grouping.
    """

    n: int
    total: NDArray[np.float64]
    gram: NDArray[np.float64]

    def __add__(self, other: Statistics) -> Statistics:
        if not (self.n and other.n):  # what is over nothing adds nothing
            return self if self.n else other
        if self.total.shape != other.total.shape:
            raise UsageError("statistics of different dimensions cannot be merged")
        return Statistics(self.n + other.n, self.total + other.total, self.gram + other.gram)

    def __sub__(self, other: Statistics) -> Statistics:
        """What is left without vectors that are in it, to rounding: to look at, not to store."""
        return Statistics(self.n - other.n, self.total - other.total, self.gram - other.gram)

    @property
    def mean(self) -> NDArray[np.float64]:
        """`(d,)`; zeros where there is no vector."""
        return self.total / max(self.n, 1)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """`(d, d)`, with n - 1 degrees of freedom."""
        centred = self.gram - self.n * np.outer(self.mean, self.mean)
        return centred / max(self.n - 1, 1)


def added(shares: Iterable[Statistics | None]) -> Statistics | None:
    """Their sum; None where there is none. They are held one at a time, since each has a Gram
    matrix, 13 MB for 1280 dimensions."""
    total: Statistics | None = None
    for share in shares:
        if share is not None:
            total = share if total is None else total + share
    return total


def statistics_of(features: NDArray[np.float32]) -> Statistics:
    """The statistics of `(n, d)` features, by BLAS products in float64 over so many at once."""
    blocks = [features[start : start + _ROWS] for start in range(0, len(features), _ROWS)]
    statistics = added(map(_of_block, blocks or [features]))
    assert statistics is not None
    return statistics


def _of_block(features: NDArray[np.float32]) -> Statistics:
    exact = features.astype(np.float64)
    return Statistics(len(exact), exact.sum(axis=0), exact.T @ exact)


def pack(statistics: Statistics) -> bytes:
    """As an .npz: `n`, `total` and the upper triangle of `gram` (it is symmetric)."""
    upper = statistics.gram[np.triu_indices(len(statistics.total))]
    buffer = io.BytesIO()
    np.savez(buffer, n=statistics.n, total=statistics.total, upper=upper)
    return buffer.getvalue()


def pack_share(features: NDArray[np.float32]) -> bytes:
    """The statistics of `(n, d)` features, as `pack` has them; of few, as an .npz of the features
    themselves, which are less: 0.5 MB instead of 6.5 for a hundred of 1280."""
    few, dimensions = features.shape
    if few > dimensions // 4:
        return pack(statistics_of(features))
    buffer = io.BytesIO()
    np.savez(buffer, features=features)
    return buffer.getvalue()


def unpack(data: bytes) -> Statistics:
    """The statistics that `pack` or `pack_share` wrote, bit for bit."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        if "features" in arrays:
            return statistics_of(arrays["features"])
        total = arrays["total"]
        gram = np.zeros((len(total), len(total)))
        gram[np.triu_indices(len(total))] = arrays["upper"]
        return Statistics(int(arrays["n"]), total, gram + np.triu(gram, 1).T)
