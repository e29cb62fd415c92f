"""Near duplicates: images whose principal components point the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkroom.errors import UsageError
from darkroom.explore.images import Image, Points, locate

_Block = tuple[int, int]

LIKE = 0.98  # cosine from which images count as near duplicates
_BLOCK = 512
_TILE = 2048
_ROUNDED = 1e-6  # what float32 may lose of a cosine
_MOST_PAIRS = 6_000_000_000  # some 25 seconds on one core


@dataclass(frozen=True)
class Group:
    """Images of which each has a near duplicate in the group with a cosine of at least `cosine`;
    whether the bytes of all are the same."""

    images: list[Image]
    cosine: float
    same_content: bool


def near_duplicates(points: Sequence[Points], least: float = LIKE) -> list[Group]:
    """All groups of images with a cosine of at least `least` to another; the largest first.

    Exact: images are sorted along the direction in which they differ most, so that only those
    within reach are compared. Raises `UsageError` where that is too many.
    """
    vectors = unit_vectors(points)
    if len(vectors) < 2:
        return []
    order, blocks = _plan(vectors, least)
    joined = _Joined(vectors[order], least - _ROUNDED)
    for start, end in blocks:
        joined.compare(start, end)
    names, best = np.empty_like(order), np.empty(len(order), np.float32)
    names[order], best[order] = order[joined.names], joined.best
    return _groups(points, names, best)


def unit_vectors(points: Sequence[Points]) -> NDArray[np.float32]:
    """The images of all runs with length 1: `(n, k) float32`; zeros stay zeros."""
    filled = [run.vectors for run in points if len(run)]
    if not filled:
        return np.zeros((0, 0), np.float32)
    vectors = np.concatenate(filled)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


def _plan(vectors: NDArray[np.float32], least: float) -> tuple[NDArray[np.int64], list[_Block]]:
    """The images' order, and for each block of them (first row, row after the last within reach).

    Unit vectors with cosine c are sqrt(2 - 2c) apart, and so at most that far along any direction.
    """
    centred = vectors - vectors.mean(0)
    direction = np.linalg.eigh((centred.T @ centred).astype(np.float64))[1][:, -1]
    along = vectors @ direction.astype(np.float32)
    order = np.argsort(along, kind="stable")
    along = along[order]
    reach = np.sqrt(max(2 - 2 * least, 0)) + 1e-3  # and what float32 rounds
    ends = np.searchsorted(along, along + reach, side="right")
    starts = range(0, len(vectors), _BLOCK)
    blocks = [(start, int(ends[min(start + _BLOCK, len(vectors)) - 1])) for start in starts]
    if sum((end - start) * _BLOCK for start, end in blocks) > _MOST_PAIRS:
        raise UsageError(
            f"{len(vectors)} images are too alike to be compared here: ask for a higher cosine, "
            "or compare them in the notebook (docs/query.md)"
        )
    return order, blocks


class _Joined:
    """Which images hang together: those with one name do. `best` is each image's cosine to the one
    most like it, among those it was compared with."""

    def __init__(self, vectors: NDArray[np.float32], least: float) -> None:
        self._vectors, self._least = vectors, least
        self.names = np.arange(len(vectors))
        self.best = np.full(len(vectors), -1, np.float32)

    def compare(self, start: int, end: int) -> None:
        """A block's rows with the later ones before `end`, tile by tile: a tile fits the cache, and
        hardly any holds a pair."""
        block = self._vectors[start : start + _BLOCK]
        for column in range(start, end, _TILE):
            cosine = block @ self._vectors[column : min(column + _TILE, end)].T
            itself = np.arange(max(column - start, 0), min(len(block), column + _TILE - start))
            itself = itself[itself + start - column < cosine.shape[1]]
            cosine[itself, itself + start - column] = -1
            if cosine.size and cosine.max() >= self._least:
                self._join(cosine, start, column)

    def _join(self, cosine: NDArray[np.float32], start: int, column: int) -> None:
        rows, columns = (slice(at, at + n) for at, n in zip((start, column), cosine.shape,
                                                            strict=True))  # fmt: skip
        self.best[rows] = np.maximum(self.best[rows], cosine.max(1))
        self.best[columns] = np.maximum(self.best[columns], cosine.max(0))
        first, second = np.nonzero(cosine >= self._least)
        first, second = first + start, second + column
        while True:  # names spread along pairs until all that hang together share the smallest
            apart = self.names[first] != self.names[second]
            if not apart.any():
                return
            first, second = first[apart], second[apart]
            one, other = self.names[first], self.names[second]
            np.minimum.at(self.names, np.maximum(one, other), np.minimum(one, other))
            while not np.array_equal(self.names, self.names[self.names]):
                self.names = self.names[self.names]


def _groups(
    points: Sequence[Points], names: NDArray[np.int64], best: NDArray[np.float32]
) -> list[Group]:
    ordered = np.argsort(names, kind="stable")
    cuts = np.flatnonzero(np.diff(names[ordered])) + 1
    groups = [_group(points, rows, best) for rows in np.split(ordered, cuts) if len(rows) > 1]
    return sorted(groups, key=lambda g: (-len(g.images), -g.cosine, g.images[0].path))


def _group(
    points: Sequence[Points],
    rows: NDArray[np.int64],
    best: NDArray[np.float32],
) -> Group:
    images, contents = [], set()
    for row in map(int, rows):
        run, there = locate(points, row)
        images.append(run.image(there))
        contents.add(run.content(there))
    cosine = round(min(float(best[rows].min()), 1.0), 6)
    return Group(sorted(images, key=lambda image: image.path), cosine, len(contents) == 1)
