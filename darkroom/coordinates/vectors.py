"""Vectors between numpy and Arrow."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


def vector_column(vectors: NDArray[np.float32]) -> pa.ListArray:
    """`(n, d) float32` as a column of `n` lists."""
    count, dimensions = vectors.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(dimensions)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.ravel()))


def vectors_of(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A column of `n` lists of equal length as `(n, d) float32`; `(0, 0)` where it is empty."""
    if len(column) == 0:
        return np.zeros((0, 0), np.float32)
    flat = column.combine_chunks().flatten().to_numpy()
    return np.asarray(flat, np.float32).reshape(len(column), -1)
