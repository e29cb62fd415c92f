"""Images like a given one, by exact cosine similarity of their principal components."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from darkroom.explore.images import Image, Points

_ROUNDED = 1e-6  # what is told of a cosine may differ by so much
_MOST_EQUALS = 10_000  # of one run, among which the paths decide


@dataclass(frozen=True)
class Query:
    """The image whose like are looked for; `vector` is `(k,) float32`."""

    image: Image
    content: str
    vector: NDArray[np.float32]


@dataclass(frozen=True)
class Neighbour:
    """An image, how alike it is (cosine, -1 to 1), and whether its bytes are the very same."""

    image: Image
    cosine: float
    same_content: bool


def find(points: Iterable[Points], path: str) -> Query | None:
    """The image under an object key, as the newest of the runs has it."""
    found: Query | None = None
    for run in points:
        row = pc.index(run.rows["path"], path).as_py()
        if row >= 0 and (found is None or run.run.number > found.image.run):
            found = Query(run.image(row), run.content(row), run.vectors[row])
    return found


def similar(points: Iterable[Points], query: Query, count: int) -> list[Neighbour]:
    """The `count` images most like the query, the most alike first; equals by path.

    A run at a time: memory does not grow with the corpus.
    """
    best: list[Neighbour] = []
    for run in points:
        least = best[-1].cosine - _ROUNDED if len(best) == count else -1.0
        if found := _best_of(run, query, count, least):
            best = nlargest(count, [*best, *found], key=_order)
    return best


def cosines(vectors: NDArray[np.float32], to: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of `(n, k)` vectors to one `(k,)`: `(n,)`; 0 for vectors of length 0."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors)) * np.linalg.norm(to)
    alike = np.zeros(len(vectors), np.float32)
    np.divide(vectors @ to, lengths, out=alike, where=lengths > 0)
    return alike


def _best_of(run: Points, query: Query, count: int, least_of_all: float) -> list[Neighbour]:
    """The best of one run; none where no image of it is as alike as those that were found."""
    if not len(run):
        return []
    alike = cosines(run.vectors, query.vector)
    if alike.max() < least_of_all:
        return []
    some = min(count + 1, len(alike))  # the image itself is among them
    least = np.partition(alike, -some)[-some]
    equals = np.flatnonzero(alike == least)[:_MOST_EQUALS]
    rows = [*np.flatnonzero(alike > least), *equals]
    found = [
        Neighbour(run.image(row), round(float(alike[row]), 6), run.content(row) == query.content)
        for row in map(int, rows)
    ]
    return [neighbour for neighbour in found if neighbour.image != query.image]


def _order(neighbour: Neighbour) -> tuple[float, bool, tuple[int, ...]]:
    """By likeness, then by path from the start of the alphabet."""
    path = tuple(-ord(letter) for letter in neighbour.image.path)
    return neighbour.cosine, neighbour.same_content, path
