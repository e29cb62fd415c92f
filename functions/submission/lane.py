"""Which lane works a run: the joint Spark job, or the function for small batches."""

from __future__ import annotations

from functions.runs.records import Lane, RunRecord

MOST_BYTES = 1024**3  # of a small batch: a few hundred photographs, which fit into its time


def lane_of(record: RunRecord, small_batch_images: int) -> Lane:
    """The lane of a run that is prepared. What the function could not end stays with Spark.

    >>> from functions.runs.records import State
    >>> photo = RunRecord("spring", 1, State.SEALED, images=1, size_bytes=4_000_000)
    >>> lane_of(photo, 0), lane_of(photo, 100)
    (<Lane.SPARK: 'spark'>, <Lane.SMALL: 'small'>)
    """
    if record.lane == Lane.SPARK:
        return Lane.SPARK
    is_small = (record.images or 0) <= small_batch_images and record.size_bytes <= MOST_BYTES
    return Lane.SMALL if is_small else Lane.SPARK
