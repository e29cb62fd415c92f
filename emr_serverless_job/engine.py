"""Who runs the job's tasks: the executors of Spark, or the threads of one process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import pyarrow as pa

NEEDS_SPARK = "--reader binaryFile and --pca spark need Spark: add --engine spark"

# Rows in, rows out, an Arrow batch at a time, as `mapInArrow` wants it
Task = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class Shared(Protocol):
    """Bytes that all tasks read."""

    @property
    def value(self) -> bytes:
        """The bytes."""


class Tally(Protocol):
    """A number that tasks add to and the driver reads."""

    @property
    def value(self) -> int:
        """All that was added so far."""

    def add(self, count: int) -> None:
        """Add to it, from within a task."""


class Engine(Protocol):
    """Runs tasks side by side."""

    @property
    def cores(self) -> int:
        """How many tasks run at the same time."""

    def share(self, value: bytes) -> Shared:
        """Give each worker the bytes once, not each task."""

    def tally(self) -> Tally:
        """A new number, 0."""

    def run(self, task: Task, work: pa.Table, schema: str) -> list[Mapping[str, Any]]:
        """`task` on each row of `work`, each by itself; all rows that come out, of Spark's
        `schema`, in order."""


def list_in(cell: object) -> list[Any]:
    """A list in a row."""
    return cell if isinstance(cell, list) else []


def texts_in(cell: object) -> list[str]:
    """A list of texts in a row."""
    return [str(value) for value in list_in(cell)]


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, object]]:
    """The rows of a task's input, as dictionaries."""
    for batch in batches:
        yield from batch.to_pylist()
