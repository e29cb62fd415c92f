"""Which runs go to the function for small batches, and not into the joint Spark job."""

from __future__ import annotations

from functions.runs.records import Lane, RunRecord

MOST_BYTES = 1024**3  # of a small batch: a few hundred photographs, which fit into its time


def is_small(record: RunRecord, small_batch_images: int) -> bool:
    """Whether the function works a run whose images are counted. What it could not end stays with
    Spark.

    >>> from functions.runs.records import State
    >>> photo = RunRecord("spring", 1, State.SEALED, images=1, size_bytes=4_000_000)
    >>> is_small(photo, 0), is_small(photo, 100)
    (False, True)
    """
    is_few = (record.images or 0) <= small_batch_images and record.size_bytes <= MOST_BYTES
    return is_few and record.lane != Lane.SPARK
