"""Spark on this machine: all cores, loopback only, quick to start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyspark
from pyspark.sql import SparkSession

from darkroom.output_to_log import output_to
from emr_serverless_job.main import build_session
from emr_serverless_job.on_spark import one_task_per_row
from local_cloud.spark.java import java_home, java_major

TASK_TRIES = 4
_ARCHIVE_SECONDS = 120

# One short job on few cores: the optimising compiler and concurrent garbage collection would take
# more time from the images than they give back.
_SHORT_JOB = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@contextmanager
def session(cores: int, home: Path, log: Path, jvm_options: str = "") -> Iterator[SparkSession]:
    """A local session whose chatter goes to `log`; stopped at the end, its JVM with it."""
    _prepare_environment(home)
    conf = {
        **local_conf(cores, home),
        "spark.driver.memory": "2g",
        "spark.python.daemon.module": "local_cloud.spark.worker_daemon",
    }
    if jvm_options:
        conf["spark.driver.extraJavaOptions"] = jvm_options
    with output_to(log, 2):
        spark = build_session(conf)
        waking = Thread(target=_wake_workers, args=(spark, cores), daemon=True)
        waking.start()
        try:
            yield spark
        finally:
            waking.join()
            _stop(spark)


def local_conf(cores: int, home: Path) -> dict[str, str]:
    """Spark's configuration on one machine: all of it in one JVM, on loopback."""
    return {
        "spark.master": f"local[{cores},{TASK_TRIES}]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"{_SHORT_JOB} {_use_archive(home)}".strip(),
        "spark.ui.enabled": "false",
        "spark.pyspark.python": sys.executable,
    }


def _wake_workers(spark: SparkSession, cores: int) -> None:
    """Start the Python workers while the driver still plans the first real job."""
    spark.sparkContext.parallelize(range(cores), cores).foreachPartition(_nothing)


def _nothing(partition: Iterable[int]) -> None:
    """Starting the worker is all."""


def _prepare_environment(home: Path) -> None:
    """Spark reads these before it reads any configuration."""
    for foreign in ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS"):
        os.environ.pop(foreign, None)
    os.environ["JAVA_HOME"] = str(java_home(home))
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    root = str(Path(__file__).parents[2])
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([root, *filter(None, inherited)]))


def _stop(spark: SparkSession) -> None:
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    spark.stop()
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None


def archive_path(home: Path) -> Path:
    """The class-data archive for this Spark and this Java."""
    return home / f"spark-{pyspark.__version__}-java-{java_major(java_home(home))}.jsa"


def _use_archive(home: Path) -> str:
    path = archive_path(home)
    return f"-XX:SharedArchiveFile={path} -Xlog:disable" if path.is_file() else ""


def build_archive(home: Path) -> Path | None:
    """Record the classes that a session loads, for the JVM to map instead of parse.

    Halves the start of every later session. None where this Java cannot (it then goes without).
    """
    target = archive_path(home)
    home.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", __name__, str(home)], check=False)
    deadline = time.monotonic() + _ARCHIVE_SECONDS
    while not target.is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    return target if target.is_file() else None


def _same(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
    return batches


def _record(home: Path) -> None:
    partial = archive_path(home).with_suffix(".partial")
    options = f"{_SHORT_JOB} -Xlog:disable -XX:ArchiveClassesAtExit={partial}"
    with session(2, home, home / "warmup.log", options) as spark:
        spark.sparkContext.broadcast(b"")
        work = one_task_per_row(spark, pa.table({"number": [1, 2]}))
        work.mapInArrow(_same, "number long").collect()
    if partial.is_file():
        partial.replace(archive_path(home))


if __name__ == "__main__":
    _record(Path(sys.argv[1]))
