"""Outliers: images that have no close neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from darkroom.explore.duplicates import unit_vectors
from darkroom.explore.images import Image, Points, locate
from darkroom.explore.sample import smallest_contents

NEIGHBOUR = 5  # which neighbour's cosine is looked at
SAMPLE = 4096  # images that the others are compared with, at most
_BLOCK = 4096


@dataclass(frozen=True)
class Outlier:
    """An image, and the cosine to its fifth-nearest neighbour."""

    image: Image
    cosine: float


def outliers(points: Sequence[Points], count: int) -> list[Outlier]:
    """The `count` images whose fifth-nearest neighbour is the farthest, the farthest first.

    Of more than 4,096 images, neighbours are looked for among the 4,096 with the smallest SHA-256,
    which is a fair sample. Source: k-nearest-neighbour outlier score, Ramaswamy et al., 2000.
    """
    vectors = unit_vectors(points)
    if len(vectors) < 2:
        return []
    sample = smallest_contents(points, SAMPLE)
    reference = vectors[sample]
    itself = np.zeros(len(vectors), np.int64)
    itself[sample] = 1  # an image of the sample is its own nearest
    nth = min(NEIGHBOUR, len(reference) - 1)
    score = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        ordered = np.partition(vectors[block] @ reference.T, (-nth - 1, -nth), axis=1)
        score[block] = ordered[np.arange(len(ordered)), -nth - itself[block]]
    found = []
    for row in map(int, np.argsort(score, kind="stable")[:count]):
        run, there = locate(points, row)
        found.append(Outlier(run.image(there), round(float(score[row]), 6)))
    return found
