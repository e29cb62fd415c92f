"""Images through Spark's `binaryFile` source, for storage that only Hadoop can read.

Slower than the job's own reader: every image's bytes cross from the JVM to Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession

from darkroom.errors import UsageError
from darkroom.images.fetch import Fetched, fetch
from darkroom.images.outcome import Limits, Rejection
from darkroom.manifest import Entry
from emr_serverless_job.engine import Engine, rows_of
from emr_serverless_job.on_spark import Settled, session_of

_GLOB = re.compile(r"([\\*?\[\]{}])")


def run_on_content(
    engine: Engine,
    store_part: Callable[[int, Iterable[Fetched]], pa.RecordBatch],
    entries: list[Entry],
    schema: str,
) -> None:
    """`store_part` on each partition of the entries' content.

    Raises `UsageError` for an engine that is not Spark.
    """
    task = Settled(_ContentTask(store_part, entries[0].store))
    rows = read_content(session_of(engine), entries).mapInArrow(task, schema)
    rows.collect()


@dataclass(frozen=True)
class _ContentTask:
    """Rows of `binaryFile` in, what came of storing them out; Spark has read the images."""

    store_part: Callable[[int, Iterable[Fetched]], pa.RecordBatch]
    store: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        part = context.partitionId() if context else 0
        yield self.store_part(part, fetched_content(rows_of(batches), self.store))


def read_content(spark: SparkSession, entries: list[Entry]) -> DataFrame:
    """`path` and `content` of the entries' files, all of one store; files that are gone are left
    out. Keys are taken as they are, not as patterns; version ids have no say here.

    Raises `UsageError` for entries of several stores.
    """
    if len({entry.store for entry in entries}) > 1:
        raise UsageError("--reader binaryFile reads from one bucket or folder at a time")
    spark.conf.set("spark.sql.files.ignoreMissingFiles", "true")
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "16")
    paths = _present(spark, [f"{_hadoop(entry.store)}/{entry.key}" for entry in entries])
    if not paths:
        return spark.createDataFrame([], "path string, content binary")
    patterns = [_GLOB.sub(r"\\\1", path) for path in paths]
    return spark.read.format("binaryFile").load(patterns).select("path", "content")


def _present(spark: SparkSession, paths: list[str]) -> list[str]:
    """The paths that are there: Spark refuses a list with one that is not."""
    jvm, hadoop = spark._jvm, spark._jsc.hadoopConfiguration()
    if jvm is None:
        return paths
    path_of = jvm.org.apache.hadoop.fs.Path
    return [path for path in paths if path_of(path).getFileSystem(hadoop).exists(path_of(path))]


def fetched_content(rows: Iterable[dict[str, object]], store: str) -> Iterator[Fetched]:
    """The rows as fetched entries. Keys are taken from the paths, which Hadoop gives unescaped."""
    root = _without_scheme(_hadoop(store)) + "/"
    for row in rows:
        key = _without_scheme(str(row["path"])).removeprefix(root)
        content = row["content"]
        yield Fetched(Entry(store, key), content if isinstance(content, bytes) else b"")


def fetch_left_out(entries: list[Entry], limits: Limits) -> Iterator[Fetched]:
    """What Spark's file source did not give: read by the job's own reader where that can."""
    try:
        yield from fetch(entries, limits)
    except UsageError:  # a store that only Hadoop can read
        words = "not given by Spark's file source: gone, empty, or hidden by a leading _ or ."
        yield from (Fetched(entry, Rejection("missing", words)) for entry in entries)


def _without_scheme(path: str) -> str:
    """A path as Hadoop (`file:/x`) or a URI (`file:///x`, `s3://b/x`) spells it, from the root.

    >>> _without_scheme("file:/x/a#b"), _without_scheme("s3://bucket")
    ('/x/a#b', '/bucket')
    """
    return re.sub(r"^[a-z][a-z0-9+.-]*:/*", "/", path)


def _hadoop(store: str) -> str:
    return unquote(store) if store.startswith("file:") else store
