"""The stack's resources in memory, and the handlers' environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from darkroom.layout import Run
from functions import api_function as api
from functions import (
    catalog_results,
    collect_uploads,
    reconcile,
    small_job,
    submit_job,
    unpack_archive,
)
from functions.erasure import dead_letters
from functions.erasure import steps as erasure_steps
from local_cloud.access.notes import note_stack
from local_cloud.emr.jobs import Outcome
from local_cloud.emr.service import EmrServerless
from tests.functions.cloud.as_stack import in_the_template
from tests.functions.cloud.clients import NOW, client, session
from tests.functions.cloud.invocations import REGION
from tests.functions.cloud.job import do_the_run
from tests.functions.cloud.world import STACK_TABLES, World


class NoRunner:
    """Jobs end when the world says so."""

    def run(self, job: dict[str, Any]) -> Outcome:
        raise NotImplementedError

    def stop(self, job_run_id: str) -> None:
        """Nothing runs."""


@dataclass(frozen=True)
class InMemory:
    """Does the work of `small_job` where no S3 can be reached by HTTP."""

    world: World

    def work(self, run: Run, expected: int | None, out_of_time: Callable[[], bool]) -> None:
        with self.world.handling(""):
            self.world.small_work(run, out_of_time)
            do_the_run(self.world, run, expected)


@contextmanager
def new_world(folder: Path) -> Iterator[World]:
    """A stack with nothing in it."""
    patch = pytest.MonkeyPatch()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        patch.setenv(name, value)
    patch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        patch.setattr(boto3, "DEFAULT_SESSION", session())
        patch.setattr(boto3, "client", client)
        patch.setattr(dead_letters, "_WAIT_SECONDS", 0)
        patch.setattr(collect_uploads, "AT_ONCE", 1)  # in order: faults are counted by calls
        world = _resources(folder, patch)
        patch.setattr(small_job, "worker", lambda: InMemory(world))
        NOW.append(world)
        try:
            yield world
        finally:
            NOW.pop()
            _forget()
            patch.undo()


def _resources(folder: Path, patch: pytest.MonkeyPatch) -> World:
    where: Any = {"LocationConstraint": REGION}
    s3 = boto3.client("s3")
    for bucket in ("uploads", "results", "artifacts"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    s3.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
    sqs = boto3.client("sqs")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"]
            for name in ("uploads", *NO_QUEUES)}  # fmt: skip
    _table()
    _glue()
    topic = boto3.client("sns").create_topic(Name="notifications")["TopicArn"]
    emr = EmrServerless(
        folder / "emr.json", DEFAULT_ACCOUNT_ID, REGION, 2, NoRunner(), lambda job, before: None
    )
    application, _ = emr.create_application("App", {"ReleaseLabel": "x", "Type": "Spark"}, "s")
    world = World(emr, urls, topic=topic)
    kms = boto3.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    note_stack(in_the_template(application, topic, key))
    for name, value in environment(application, urls, topic, key).items():
        patch.setenv(name, value)
    patch.setattr(erasure_steps, "LOOK_AGAIN_SECONDS", 0)  # nothing waits for clocks
    _forget()
    return world


NO_QUEUES = dict.fromkeys(("unpack", "submit", "small", "catalog", "dead"), "")


def environment(application: str, urls: dict[str, str], topic: str, key: str) -> dict[str, str]:
    return {
        "AWS_REGION": REGION,
        "TABLE": "runs",
        "UPLOADS_BUCKET": "uploads",
        "RESULTS_BUCKET": "results",
        "UPLOAD_DEAD_LETTERS_URL": urls["dead"],
        "SIGNING_KEY": key,
        "CSV_BYTE_ORDER_MARK": "off",
        "SUBMIT_QUEUE_URL": urls["submit"],
        "UNPACK_QUEUE_URL": urls["unpack"],
        "CATALOG_QUEUE_URL": urls["catalog"],
        "SMALL_QUEUE_URL": urls["small"],
        "SMALL_BATCH_IMAGES": "0",
        "QUIET_SECONDS": "0",
        "MARKER_SECONDS": "0",
        "MAX_AGE_SECONDS": "3600",
        "MAX_RUN_FILES": "1000000",
        "APPLICATION_ID": application,
        "JOB_ROLE_ARN": "arn:aws:iam::123456789012:role/job",
        "ERASURE_ROLE_ARN": "arn:aws:iam::123456789012:role/erasure",
        "JOB_URI": "s3://artifacts/jobs/r1",
        "LOG_URI": "s3://artifacts/logs",
        "JOB_TIMEOUT_MINUTES": "60",
        "MAX_VCPU": "16",
        "EXECUTOR_CORES": "4",
        "MAX_IMAGE_BYTES": "1000000",
        "MAX_IMAGE_PIXELS": "1000000",
        "THUMBNAILS": "on",
        "EXACT_DECODE": "off",
        "PAGE_ORIGIN": "https://page.example",
        "SIGN_IN_URL": "https://sign-in.example",
        "CLIENT_ID": "page",
        "GLUE_DATABASE": "darkroom",
        "TOPIC_ARN": topic,
        "PRICE_VCPU_HOUR": "0.05",
        "PRICE_GB_HOUR": "0.005",
        "PRICE_STORAGE_GB_HOUR": "0.0001",
        "PRICE_FUNCTION_GB_SECOND": "0.00001",
        "CURRENCY": "EUR",
        "RUN_LIMIT_MINUTES": "60",
    }


def _forget() -> None:
    """What handlers keep from one invocation to the next."""
    vars(collect_uploads._own).clear()
    for cached in (
        collect_uploads.threads, collect_uploads.erased_uploads, unpack_archive.unpacker,
        submit_job.rules, submit_job.station, submit_job.submission, submit_job.erasures,
        catalog_results.completion, catalog_results.erasures,
        small_job.settings, small_job.runs, small_job.queues, reconcile.settings,
        reconcile.runs, reconcile.queues, api.service,
    ):  # fmt: skip
        cached.cache_clear()


def _table() -> None:
    boto3.client("dynamodb").create_table(
        TableName="runs",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in (("batch", "S"), ("run", "N"), ("state", "S"), ("changed_at", "N"))
        ],
        KeySchema=[
            {"AttributeName": "batch", "KeyType": "HASH"},
            {"AttributeName": "run", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_state",
                "KeySchema": [
                    {"AttributeName": "state", "KeyType": "HASH"},
                    {"AttributeName": "changed_at", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": ["job_run_id", "sealed_at"],
                },
            }
        ],
    )


def _glue() -> None:
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": "darkroom"})
    for name in STACK_TABLES:
        glue.create_table(
            DatabaseName="darkroom",
            TableInput={
                "Name": name,
                "StorageDescriptor": {"Columns": [], "Location": "s3://results/"},
            },
        )
