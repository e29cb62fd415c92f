"""How far a batch is from what was there before: the distance, what it is held against, and the
labels it comes from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from darkroom.coordinates.drift import Drift, Gaussian, drift, frechet_distance, moved_labels
from darkroom.coordinates.statistics import statistics_of
from darkroom.run.receipt import DriftNote

DIMENSIONS = 40


def features(count: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    """Like those of a network: correlated, and never negative."""
    mixed = np.random.default_rng(99).standard_normal((DIMENSIONS, DIMENSIONS))
    drawn = np.random.default_rng(seed).standard_normal((count, DIMENSIONS)) @ mixed
    return np.maximum(drawn + shift, 0).astype(np.float32)


def by_scipy(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """As the papers have it: by the square root of the product of both covariances."""
    means = [some.mean(axis=0, dtype=np.float64) for some in (one, other)]
    spreads = [np.cov(some.astype(np.float64), rowvar=False) for some in (one, other)]
    root = sqrtm(spreads[0] @ spreads[1]).real
    shift = ((means[0] - means[1]) ** 2).sum()
    return float(shift + np.trace(spreads[0] + spreads[1] - 2 * root))


@pytest.mark.parametrize("counts", [(500, 500), (500, 60), (60, 500), (200, 45)])
def test_the_distance_is_that_of_the_matrix_square_root(counts: tuple[int, int]) -> None:
    one, other = features(counts[0], 1), features(counts[1], 2, shift=1.0)
    expected = by_scipy(one, other)
    statistics = Gaussian.of(statistics_of(one)), Gaussian.of(statistics_of(other))
    rows = Gaussian.of_features(one), Gaussian.of_features(other)
    for first, second in ((statistics[0], statistics[1]), (statistics[0], rows[1]),
                          (rows[0], statistics[1]), (rows[0], rows[1])):  # fmt: skip
        assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-6)
        assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-6)


def test_fewer_images_than_dimensions_are_compared_too() -> None:
    one, other = features(500, 1), features(20, 2)
    told = {
        frechet_distance(Gaussian.of(statistics_of(one)), second)
        for second in (Gaussian.of(statistics_of(other)), Gaussian.of_features(other))
    }
    assert max(told) == pytest.approx(min(told), rel=1e-6)
    assert frechet_distance(Gaussian.of_features(one), Gaussian.of_features(one)) < 1e-6


def of_batch(batch: NDArray[np.float32], labels: list[str] | None = None) -> Drift:
    before = Gaussian.of(statistics_of(features(5000, 0)))
    names = labels or [""] * len(batch)
    return drift(Gaussian.of_features(batch), before, None, batch, names)


@pytest.mark.parametrize("count", [100, 300, 1000])
def test_what_chance_makes_of_the_same_thing_is_no_drift(count: int) -> None:
    verdicts = [of_batch(features(count, seed)).unlike for seed in range(1, 21)]
    assert not any(verdicts)


@pytest.mark.parametrize(("count", "shift"), [(100, 6.0), (300, 3.0), (1000, 1.5)])
def test_another_thing_is_and_the_more_images_the_less_has_to_be_other(
    count: int, shift: float
) -> None:
    assert all(of_batch(features(count, seed, shift)).unlike for seed in range(1, 21))


def test_the_labels_it_comes_from_are_named() -> None:
    batch = np.concatenate([features(150, 1), features(150, 2, shift=6.0)])
    order = np.random.default_rng(0).permutation(300)
    told = of_batch(batch[order], ["pear" if at >= 150 else "apple" for at in order])
    assert told.unlike
    assert next(iter(told.labels)) == "pear"
    assert told.labels["pear"] > 0.8
    assert "pear" not in told.words  # which go where nothing is erased
    note = DriftNote(told.words, told.unlike, labels=told.labels)
    assert note.words_with_label.endswith(
        f"{told.labels['pear']:.0%} of the shift comes from label pear"
    )


def test_labels_that_moved_like_the_others_are_not_named() -> None:
    batch, mean = features(90, 1, shift=2.0), features(500, 0).mean(axis=0, dtype=np.float64)
    assert moved_labels(batch, ["abc"[at % 3] for at in range(90)], mean) == {}
    assert moved_labels(batch, ["pear"] * 90, mean) == {}
