"""Work to executors: a DataFrame with one row, and one task, for each piece of work."""

from __future__ import annotations

import gc
import sys
import zipimport
from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

# Below this, Spark ships rows inside the query plan, and a plan's partitions are set by the number
# of rows; above, it parallelises Arrow batches.
_PLAN_BYTES = 32 * 1024 * 1024


def one_task_per_row(spark: SparkSession, work: pa.Table) -> DataFrame:
    """`work` as a DataFrame of one row a partition, in order.

    Spark would by default put all rows of a small table into as many partitions as there are
    cores; small tasks balance better, and a lost one costs less.
    """
    spark.conf.set("spark.sql.leafNodeDefaultParallelism", str(max(1, work.num_rows)))
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "1")
    spark.conf.set("spark.sql.execution.arrow.localRelationThreshold", str(_PLAN_BYTES))
    return spark.createDataFrame(work)


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, object]]:
    """The rows of a task's input, as dictionaries."""
    _settle_worker()
    for batch in batches:
        yield from batch.to_pylist()


def _settle_worker() -> None:
    """Spare this Python worker what PySpark would do over again between any two tasks.

    It invalidates the import caches, and up to Python 3.12 each cached importer of a zip archive
    then reads the archive's directory anew: 0.4 s a task with pyspark.zip on the path, a third of
    the throughput. It collects garbage, and visits every object that the imports left. Importers
    that are needed later come back by themselves.
    """
    for path, importer in list(sys.path_importer_cache.items()):
        if isinstance(importer, zipimport.zipimporter):
            del sys.path_importer_cache[path]
    if not gc.get_freeze_count():
        gc.freeze()
