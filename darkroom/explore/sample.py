"""Fewer images that stand for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from darkroom.explore.images import Points

_DIGITS = 16  # of a digest, which decide


def smallest_contents(points: Sequence[Points], most: int) -> NDArray[np.int64]:
    """The positions, over all runs, of the `most` images whose content has the smallest SHA-256.

    A digest has nothing to do with what is in the picture, so this is a fair sample; and the same
    images are chosen each time.
    """
    if sum(len(run) for run in points) <= most:
        return np.arange(sum(len(run) for run in points))
    columns = [chunk for run in points for chunk in run.rows["content_sha256"].chunks]
    digests = pa.chunked_array(columns, pa.string()).to_numpy().astype(f"S{_DIGITS}")
    first, second = digests.view(">u8").reshape(len(digests), 2).T
    edge = np.partition(first, most - 1)[most - 1]
    within, at_the_edge = np.flatnonzero(first < edge), np.flatnonzero(first == edge)
    at_the_edge = at_the_edge[np.argsort(second[at_the_edge], kind="stable")]
    return np.sort(np.concatenate([within, at_the_edge[: most - len(within)]]))
