"""Fewer images that stand for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from darkroom.explore.images import Points


def smallest_contents(points: Sequence[Points], most: int) -> NDArray[np.int64]:
    """The positions, over all runs, of the `most` images whose content has the smallest SHA-256.

    A digest has nothing to do with what is in the picture, so this is a fair sample; and the same
    images are chosen each time.
    """
    if sum(len(run) for run in points) <= most:
        return np.arange(sum(len(run) for run in points))
    digests = [digest for run in points for digest in run.rows["content_sha256"].to_pylist()]
    keys = np.array([int(digest[:15], 16) for digest in digests])
    return np.sort(np.argpartition(keys, most - 1)[:most])
