"""What a run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from darkroom.erasure.block_list import NOTHING_BLOCKED, BlockList
from darkroom.images.contract import DISPLAY, Contract
from darkroom.images.outcome import Limits
from darkroom.layout import Run
from darkroom.manifest import Entry


@dataclass(frozen=True)
class Request:
    """One run: `entries` in, everything below the URI `output` out.

    `reader` fetches images with the job's own prefetching pool, or through Spark's `binaryFile`
    source for storage that only Hadoop can read. `pca` fits from merged statistics, or with
    `pyspark.ml`. `expected` is how many files the batch's marker announced.
    `blocked` are contents that were erased and may not come back. `thumbnails` says whether small
    pictures are kept, `contract` how bytes become pixels.
    """

    run: Run
    entries: list[Entry]
    output: str
    model: bytes
    limits: Limits = field(default_factory=Limits)
    reader: Literal["obstore", "binaryFile"] = "obstore"
    pca: Literal["merged", "spark"] = "merged"
    expected: int | None = None
    blocked: BlockList = NOTHING_BLOCKED
    thumbnails: bool = True
    contract: Contract = DISPLAY
