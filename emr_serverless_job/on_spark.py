"""The job's tasks on Spark: a DataFrame with one row, and one Spark task, for each of them."""

from __future__ import annotations

import gc
import sys
import zipimport
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark import Accumulator, Broadcast
from pyspark.sql import DataFrame, SparkSession

from darkroom.errors import UsageError
from emr_serverless_job.engine import NEEDS_SPARK, Engine, Task

# Below this, Spark ships rows inside the query plan, and a plan's partitions are set by the number
# of rows; above, it parallelises Arrow batches.
_PLAN_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class OnSpark:
    """The executors of a session, a task a core; a task that fails is tried again."""

    session: SparkSession

    @property
    def cores(self) -> int:
        """Of all executors."""
        return self.session.sparkContext.defaultParallelism

    def share(self, value: bytes) -> Broadcast[bytes]:
        """Broadcast: to each executor once."""
        return self.session.sparkContext.broadcast(value)

    def tally(self) -> Accumulator[int]:
        """An accumulator."""
        return self.session.sparkContext.accumulator(0)

    def run(self, task: Task, work: pa.Table, schema: str) -> list[Mapping[str, Any]]:
        """`task` on each row of `work` through Arrow; all rows that come out, in order."""
        rows = one_task_per_row(self.session, work)
        answers = rows.mapInArrow(Settled(task), schema)
        return [answer.asDict() for answer in answers.collect()]


def session_of(engine: Engine) -> SparkSession:
    """The session of an engine that is Spark. Raises `UsageError` for another."""
    if not isinstance(engine, OnSpark):
        raise UsageError(NEEDS_SPARK)
    return engine.session


def one_task_per_row(spark: SparkSession, work: pa.Table) -> DataFrame:
    """`work` as a DataFrame of one row a partition, in order.

    Spark would by default put all rows of a small table into as many partitions as there are
    cores; small tasks balance better, and a lost one costs less.
    """
    spark.conf.set("spark.sql.leafNodeDefaultParallelism", str(max(1, work.num_rows)))
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")
    spark.conf.set("spark.sql.execution.arrow.localRelationThreshold", str(_PLAN_BYTES))
    return spark.createDataFrame(work)


@dataclass(frozen=True)
class Settled:
    """A task, in a Python worker that is spared what PySpark would do over again between any two.

    It invalidates the import caches, and up to Python 3.12 each cached importer of a zip archive
    then reads the archive's directory anew: 0.4 s a task with pyspark.zip on the path, a third of
    the throughput. It collects garbage, and visits every object that the imports left. Importers
    that are needed later come back by themselves.
    """

    task: Task

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """What the task makes of the batches."""
        for path, importer in list(sys.path_importer_cache.items()):
            if isinstance(importer, zipimport.zipimporter):
                del sys.path_importer_cache[path]
        if not gc.get_freeze_count():
            gc.freeze()
        yield from self.task(batches)
