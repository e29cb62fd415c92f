import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from darkroom.coordinates import pca, statistics
from darkroom.coordinates.corpus import statistics_of_files
from darkroom.coordinates.statistics import statistics_of
from darkroom.coordinates.vectors import vector_column
from darkroom.errors import UsageError
from darkroom.storage.local import LocalStore
from darkroom.storage.parquet import to_parquet


def cloud(n: int, seed: int = 0, d: int = 40, spread: float = 3.0) -> NDArray[np.float32]:
    """Vectors whose variance falls off along known directions."""
    random = np.random.default_rng(seed)
    scales = spread * 0.7 ** np.arange(d)
    directions = np.linalg.qr(np.random.default_rng(99).normal(size=(d, d)))[0]
    return (random.normal(size=(n, d)) * scales @ directions + 2).astype(np.float32)


def test_merged_statistics_are_those_of_the_whole() -> None:
    whole = cloud(300)
    parts = [statistics_of(whole[:7]), statistics_of(whole[7:200]), statistics_of(whole[200:])]
    merged = parts[2] + parts[0] + parts[1]
    assert merged.n == 300
    assert np.allclose(merged.covariance, np.cov(whole.astype(np.float64).T), rtol=1e-12)


def test_statistics_survive_storage_bit_for_bit() -> None:
    before = statistics_of(cloud(30))
    after = statistics.unpack(statistics.pack(before))
    assert after.n == before.n
    assert np.array_equal(after.gram, before.gram)
    assert np.array_equal(after.total, before.total)


def test_statistics_of_other_dimensions_do_not_merge() -> None:
    with pytest.raises(UsageError, match="dimensions"):
        statistics_of(cloud(3, d=4)) + statistics_of(cloud(3, d=5))


def test_statistics_of_many_files_need_the_memory_of_a_few(tmp_path: Path) -> None:
    store, d, files = LocalStore(tmp_path), 300, 30
    for number in range(files):
        features = vector_column(cloud(4, seed=number, d=d))
        store.write(f"{number}.parquet", to_parquet(pa.table({"features": features})))
    tracemalloc.start()
    merged = statistics_of_files(store, [f"{number}.parquet" for number in range(files)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert merged is not None
    assert merged.n == 4 * files
    assert peak < 8 * merged.gram.nbytes


def test_components_are_those_of_an_eigendecomposition() -> None:
    data = cloud(500)
    basis = pca.fit(statistics_of(data), k=5)
    values, vectors = np.linalg.eigh(np.cov(data.astype(np.float64).T))
    best = vectors[:, ::-1][:, :5].T
    assert np.allclose(np.abs(np.sum(basis.components * best, axis=1)), 1)
    assert np.allclose(basis.explained_variance_ratio, values[::-1][:5] / values.sum())
    assert np.array_equal(basis.project(data), data @ basis.components.T.astype(np.float32))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_small_corpus_carries_fewer_components_and_zeros(n: int) -> None:
    data = cloud(n)
    basis = pca.fit(statistics_of(data), k=8)
    assert basis.rank == n - 1
    assert basis.components.shape == (8, 40)
    assert not basis.components[n - 1 :].any()
    assert not basis.project(data)[:, n - 1 :].any()
    assert np.isfinite(basis.explained_variance_ratio).all()


def test_more_of_the_same_keeps_the_basis() -> None:
    first, more = statistics_of(cloud(800, 1)), statistics_of(cloud(800, 2))
    merged = first + more
    share = pca.kept_share(pca.fit(first, 5), pca.fit(merged, 5), merged)
    assert pca.KEEP_SHARE < share <= 1 + 1e-12


def test_something_new_lets_the_basis_drift() -> None:
    first = statistics_of(cloud(800, 1))
    merged = first + statistics_of(cloud(800, 2)[:, ::-1] * 4)
    assert pca.kept_share(pca.fit(first, 5), pca.fit(merged, 5), merged) < pca.KEEP_SHARE


def test_signs_follow_the_last_version() -> None:
    last = pca.fit(statistics_of(cloud(500)), 5)
    flipped = pca.Pca(last.mean, -last.components, last.explained_variance_ratio, last.rank)
    assert np.array_equal(pca.align_signs(flipped, last).components, last.components)


def test_a_basis_survives_storage_bit_for_bit() -> None:
    before = pca.fit(statistics_of(cloud(50)), 5)
    after = pca.unpack(pca.pack(before))
    assert np.array_equal(after.components, before.components)
    assert after.rank == before.rank


@pytest.mark.parametrize("count", [1, 10, 16, 17, 400])
def test_a_share_is_kept_as_what_is_less(count: int) -> None:
    """As features or as their sums: what is read again is the same, bit for bit."""
    features = np.random.default_rng(count).normal(size=(count, 64)).astype(np.float32)
    kept = statistics.pack_share(features)
    sums = statistics.pack(statistics.statistics_of(features))
    assert len(kept) <= len(sums)
    assert statistics.pack(statistics.unpack(kept)) == sums
