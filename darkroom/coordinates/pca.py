"""Principal components from merged statistics: fitting, drift, alignment, projection."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkroom.coordinates.statistics import Statistics
from darkroom.storage.parquet import COMPONENTS

KEEP_SHARE = 0.99
_ROUNDED = 1e-9  # what sums in another order may differ by, and more


@dataclass(frozen=True)
class Pca:
    """A basis: `mean (d,)`, `components (k, d)`, `explained_variance_ratio (k,)`, all float64.

    Only the first `rank` components carry variance; the rest are zeros, so that the schema stays.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    explained_variance_ratio: NDArray[np.float64]
    rank: int

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """`(n, d)` to `(n, k) float32`: components applied to the raw vector.

        Not centred, as `pyspark.ml.feature.PCA` does it, so that values compare with the notebook.
        """
        return np.asarray(features @ self.components.T.astype(np.float32), dtype=np.float32)


NO_BASIS = Pca(np.zeros(0), np.zeros((0, 0)), np.zeros(0), 0)


def fit(statistics: Statistics, k: int = COMPONENTS) -> Pca:
    """The `k` best components; fewer (and zeros) where the corpus cannot carry them.

    `n` images span at most `n - 1` directions. Signs: the largest entry of each is positive.
    """
    variances, vectors = np.linalg.eigh(statistics.covariance)
    variances, vectors = variances[::-1].clip(min=0), vectors[:, ::-1].T
    rank = _rank(statistics.n, variances, k)
    components = np.zeros((k, len(statistics.total)))
    components[:rank] = vectors[:rank] * _own_signs(vectors[:rank])[:, None]
    ratio = np.zeros(k)
    ratio[:rank] = variances[:rank] / max(variances.sum(), np.finfo(float).tiny)
    return Pca(statistics.mean, components, ratio, rank)


def _rank(n: int, variances: NDArray[np.float64], k: int) -> int:
    carried = int((variances > variances.max(initial=0) * 1e-12).sum())
    return max(0, min(k, n - 1, carried))


def _own_signs(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    largest = np.abs(vectors).argmax(axis=1)
    return np.where(vectors[np.arange(len(vectors)), largest] < 0, -1.0, 1.0)


def kept_share(basis: Pca, best: Pca, statistics: Statistics) -> float:
    """How much of the variance that `best` captures `basis` captures too, 0 to 1."""
    captured = _captured(basis, statistics)
    optimum = _captured(best, statistics)
    return 1.0 if optimum <= 0 else captured / optimum


def is_kept(basis: Pca, best: Pca, statistics: Statistics) -> bool:
    """Whether `basis` captures nearly all that `best` does. Sums are made in any order, which
    changes their last digits and decides nothing."""
    return kept_share(basis, best, statistics) >= KEEP_SHARE - _ROUNDED


def _captured(basis: Pca, statistics: Statistics) -> float:
    return float(np.einsum("ij,jk,ik->", basis.components, statistics.covariance, basis.components,
                           optimize=True))  # fmt: skip


def explained(basis: Pca, statistics: Statistics) -> float:
    """The share of all variance in `statistics` that `basis` keeps, 0 to 1."""
    return _captured(basis, statistics) / max(
        float(np.trace(statistics.covariance)), np.finfo(float).tiny
    )


def align_signs(new: Pca, last: Pca) -> Pca:
    """`new` with each component turned to point the way its nearest one in `last` does.

    A component's sign is arbitrary; without this a map could mirror itself between versions.
    """
    similarity = new.components @ last.components.T
    nearest = np.abs(similarity).argmax(axis=1)
    signs = np.where(similarity[np.arange(len(similarity)), nearest] < 0, -1.0, 1.0)
    return Pca(new.mean, new.components * signs[:, None], new.explained_variance_ratio, new.rank)


def pack(basis: Pca) -> bytes:
    """As an .npz."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        mean=basis.mean,
        components=basis.components,
        explained_variance_ratio=basis.explained_variance_ratio,
        rank=basis.rank,
    )
    return buffer.getvalue()


def unpack(data: bytes) -> Pca:
    """The basis that `pack` wrote, bit for bit."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return Pca(
            arrays["mean"],
            arrays["components"],
            arrays["explained_variance_ratio"],
            int(arrays["rank"]),
        )
