"""An erasure on Spark: `main.py --erase --run=... --requests=... --output=... --uploads=... ...`"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pyspark.sql import SparkSession

from darkroom.erasure import request
from darkroom.erasure.erase import Eraser
from darkroom.erasure.outcome import Outcome
from darkroom.erasure.places import Places
from darkroom.erasure.uploads import Uploads
from darkroom.layout import ERASURES, Run, erasure_request
from darkroom.storage.opening import open_store
from darkroom.storage.store import Store

Item = TypeVar("Item")
Result = TypeVar("Result")

_TASKS_PER_CORE = 4


@dataclass(frozen=True)
class ErasureJob:
    """Erasure number `run`: ids of requests, and the URIs of results, uploads and job logs."""

    run: int
    requests: list[str]
    output: str
    uploads: str
    logs: str


def parse_erasure(arguments: Sequence[str]) -> ErasureJob:
    """The command line as a job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--erase", action="store_true", required=True)
    parser.add_argument("--run", required=True, type=int, help="number of the erasure")
    parser.add_argument("--requests", required=True, help="ids of requests, with commas between")
    parser.add_argument("--output", required=True, help="root of the results: s3://")
    parser.add_argument("--uploads", required=True, help="the bucket of the uploads: s3://")
    parser.add_argument("--logs", required=True, help="where the jobs' logs lie: s3://")
    given = parser.parse_args(arguments)
    return ErasureJob(given.run, given.requests.split(","), given.output, given.uploads, given.logs)


def run_erasure(spark: SparkSession, job: ErasureJob) -> Outcome:
    """Erase what the requests name. Repeating it goes on where it stopped."""
    import boto3

    s3 = boto3.client("s3")
    results, (bucket, _, folder) = open_store(job.output), _parts(job.logs)
    requests = [request.unpack(results.read(erasure_request(name))) for name in job.requests]
    places = Places(
        results=results,
        uploads=Uploads(s3, _parts(job.uploads)[0]),
        exports=Uploads(s3, _parts(job.output)[0]),
        logs=open_store(f"s3://{bucket}"),
        log_folder=folder,
        spread=OnExecutors(spark, job.output),
    )
    return Eraser(Run(ERASURES, job.run), places).erase(requests)


def _parts(uri: str) -> tuple[str, str, str]:
    return uri.removeprefix("s3://").partition("/")


class OnExecutors:
    """Work on a store, item by item, as Spark tasks. See `Spread`."""

    def __init__(self, spark: SparkSession, uri: str) -> None:
        self._context, self._uri = spark.sparkContext, uri

    def __call__(
        self, work: Callable[[Store, Item], Result], items: Sequence[Item]
    ) -> list[Result]:
        """`work` on each item, in order."""
        if not items:
            return []
        tasks = min(len(items), self._context.defaultParallelism * _TASKS_PER_CORE)
        uri = self._uri
        spread = self._context.parallelize(items, tasks)
        return spread.map(lambda item: work(open_store(uri), item)).collect()
