"""AWS in memory around the real handlers: queues are pumped, faults can be planted.

S3, SQS, DynamoDB, Glue and SNS are moto's. EMR Serverless is the local cloud's own, since moto's
ignores client tokens; its jobs are "run" by writing what the real job writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import boto3
import numpy as np
import pyarrow as pa
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from darkroom import manifest, receipt
from darkroom.errors import ObjectNotFoundError
from darkroom.layout import CURRENT_PCA, Run, label_of, run_in
from darkroom.parquet import COMPONENTS, FEATURES_SCHEMA, PCA_SCHEMA, REJECTED_SCHEMA, to_parquet
from darkroom.receipt import Duplicates, PcaNote, Receipt
from darkroom.vectors import vector_column
from functions import api, catalog_results, collect_uploads, dead_letters, reconcile, submit_job
from functions.bucket import Bucket
from functions.queues import WorkQueues
from functions.records import RunRecord
from functions.runs import RunTable
from local_cloud.access.asks import Call, call_of
from local_cloud.access.notes import is_on, note, note_stack
from local_cloud.emr_serverless import EmrServerless, Outcome
from tests.functions.as_stack import PLACE, ROLES, in_the_template

EVENTS = Path(__file__).parents[1] / "events"
REGION = "eu-west-1"
STACK_TABLES = ("features", "features_pca_versions", "rejected", "results_csv")


class PlantedError(BaseException):  # a function that dies handles nothing
    """Planted after an AWS call."""


class NoRunner:
    """Jobs end when the world says so."""

    def run(self, job: dict[str, Any]) -> Outcome:
        raise NotImplementedError

    def stop(self, job_run_id: str) -> None:
        """Nothing runs."""


class Context:
    """Lambda's."""

    function_name = "test"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:test"
    aws_request_id = "request"
    milliseconds = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@dataclass
class World:
    """The stack's resources. `calls` are the AWS calls that handlers made."""

    emr: EmrServerless
    urls: dict[str, str]
    calls: list[str] = field(default_factory=list)
    in_handler: bool = False
    role: str = ""
    last: Any = None
    preparing: bool = False
    deliveries: int = 1
    backwards: bool = False
    sequence: int = 0
    job: Callable[[World, dict[str, Any]], None] = lambda world, job: do_the_job(world, job)
    job_fails: Callable[[int], bool] = lambda attempt: False
    pca_version: int = 1
    context: Context = field(default_factory=Context)
    topic: str = ""
    on_call: Callable[[str], None] = lambda name: None

    # ------------------------------------------------------------ clients

    @property
    def s3(self) -> Any:
        return boto3.client("s3")

    @property
    def results(self) -> Bucket:
        return Bucket(self.s3, "results")

    @property
    def runs(self) -> RunTable:
        return RunTable(boto3.resource("dynamodb").Table("runs"))

    @property
    def queues(self) -> WorkQueues:
        return WorkQueues(boto3.client("sqs"), self.urls["submit"], self.urls["catalog"])

    # ------------------------------------------------------------ uploads

    def event(self, key: str, size: int = 1024, sequencer: str = "") -> dict[str, Any]:
        """A real payload, about another object."""
        self.sequence += 1
        event: dict[str, Any] = deepcopy(json.loads((EVENTS / "s3_put.json").read_text()))
        stored = event["Records"][0]["s3"]["object"]
        stored.update(
            key=quote_plus(key, safe="/"),
            size=size,
            sequencer=sequencer or f"{self.sequence:016X}",
            versionId=f"v{sequencer or self.sequence}",
        )
        return event

    def upload(self, key: str, body: bytes = b"picture") -> dict[str, Any]:
        """Put an object and send its event; the event."""
        stored = self.s3.put_object(Bucket="uploads", Key=key, Body=body)
        event = self.event(key, len(body))
        event["Records"][0]["s3"]["object"]["versionId"] = stored["VersionId"]
        self.send("uploads", event)
        return event

    def send(self, queue: str, message: dict[str, Any]) -> None:
        boto3.client("sqs").send_message(QueueUrl=self.urls[queue], MessageBody=json.dumps(message))

    # ------------------------------------------------------------ the event loop

    def pump(self, rounds: int = 40) -> None:
        """Deliver messages, and let jobs end, until nothing moves any more."""
        for _ in range(rounds):
            moved = [self.deliver(queue) for queue in ("uploads", "submit", "catalog")]
            if not any(moved) and not self.finish_jobs():
                return
        raise AssertionError("the pipeline does not come to rest")

    def deliver(self, queue: str) -> int:
        """Hand what is in a queue to its function; what failed stays. How many came."""
        with self.handling(""):
            return self._deliver(self.urls[queue], queue)

    def _deliver(self, url: str, queue: str) -> int:
        sqs, total = boto3.client("sqs"), 0
        while True:
            answer = sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=0
            )
            messages = answer.get("Messages", [])
            if not messages:
                return total
            failed: set[str] = set()
            for _ in range(self.deliveries):
                failed = self._handle(queue, messages)
            for message in messages:
                if message["MessageId"] not in failed:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            total += len(messages)
            if failed:
                return total

    def _handle(self, queue: str, messages: list[dict[str, Any]]) -> set[str]:
        ordered = messages[::-1] if self.backwards else messages
        event = {"Records": [sqs_record(m["MessageId"], m["Body"]) for m in ordered]}
        handlers = {"uploads": collect_uploads, "submit": submit_job, "catalog": catalog_results}
        with self.handling(ROLES[queue]):
            try:
                answer = handlers[queue].handler(event, self.context)
            except PlantedError:
                return {message["MessageId"] for message in messages}
        return {item["itemIdentifier"] for item in answer["batchItemFailures"]}

    def reconcile(self) -> None:
        with self.handling("ReconcileRole"):
            reconcile.handler(json.loads((EVENTS / "schedule.json").read_text()), self.context)

    @contextmanager
    def handling(self, role: str) -> Iterator[None]:
        """As the function (or the job) that has this role in the template; as nobody for ''."""
        before = self.in_handler, self.role
        self.in_handler, self.role = bool(role), role
        try:
            yield
        finally:
            self.in_handler, self.role = before

    def note_request(self, request: Any) -> None:
        """What a function asks AWS for, for the proof that its role may."""
        self.last = None
        if is_on() and self.in_handler and not self.preparing:
            target = request.headers.get("X-Amz-Target")
            asked = (self.role, request.method, request.url, target, request.body)
            self.last = request
            if asked not in _NOTED:
                _NOTED.add(asked)
                note(self.role, PLACE.asks(_call(request)))

    def lose_messages(self) -> None:
        for queue in ("submit", "catalog"):
            url, sqs = self.urls[queue], boto3.client("sqs")
            while found := sqs.receive_message(QueueUrl=url).get("Messages"):
                for message in found:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def note_call(self, name: str, status: int) -> None:
        """An AWS call was made, and has had its effect."""
        if self.last and status == 404:
            note(self.role, PLACE.when_missing(_call(self.last)))
        if self.in_handler and not self.preparing:
            self.calls.append(name)
            self.on_call(name)

    # ------------------------------------------------------------ jobs

    def finish_jobs(self, tell: bool = True) -> int:
        """Let submitted jobs do their work and end; how many."""
        waiting = [job for job in self.emr._jobs.values() if job["state"] == "SUBMITTED"]
        for job in waiting:
            self.emr._change(job, "RUNNING")
            attempt = int(job["name"].rpartition("-")[2])
            failed = self.job_fails(attempt)
            if not failed:
                failed = not self._work_off(job)
            self.emr._bill(job, 3600)
            self.emr._change(job, "FAILED" if failed else "SUCCESS", "boom" if failed else "")
            if tell:
                self.tell(job)
        return len(waiting)

    def _work_off(self, job: dict[str, Any]) -> bool:
        """Whether the job came to its end."""
        try:
            self.job(self, job)
        except PlantedError:
            return False
        return True

    def tell(self, job: dict[str, Any]) -> None:
        event = json.loads((EVENTS / "emr_job_state_change.json").read_text())
        event["detail"].update(jobRunId=job["jobRunId"], state=job["state"])
        self.send("catalog", event)

    # ------------------------------------------------------------ what is there in the end

    def record(self, batch: str, run: int = 1) -> RunRecord:
        found = self.runs.get(Run(batch, run))
        assert found is not None
        return found

    def manifest_of(self, batch: str, run: int = 1) -> list[str]:
        keys = self.results.list(Run(batch, run).manifest)
        return [e.key for key in keys for e in manifest.unpack(self.results.read(key))]

    def partitions(self, table: str) -> set[tuple[str, ...]]:
        pages = (
            boto3.client("glue")
            .get_paginator("get_partitions")
            .paginate(DatabaseName="darkroom", TableName=table)
        )
        return {tuple(p["Values"]) for page in pages for p in page["Partitions"]}

    def end_state(self) -> dict[str, Any]:
        """Everything that readers and people see, without moments in time."""
        moving = {"revision", "opened_at", "changed_at", "last_upload_at", "sealed_at",
                  "submitted_at", "client_token", "job_run_id", "uploads", "size_bytes",
                  "parts"}  # fmt: skip
        records = {
            (record.batch, record.run): {
                name: value for name, value in vars(record).items() if name not in moving
            }
            for record in self.runs.every()
        }
        stored = {
            key: _timeless(self.results.read(key))
            for folder in ("receipts", "Results_CSV", "Results_PCA")
            for key in self.results.list(folder)
        }
        named = {
            key: [entry.key for entry in manifest.unpack(self.results.read(key))]
            for key in self.results.list("manifests")
        }
        jobs = sorted(job["name"] for job in self.emr._jobs.values())
        glue = {table: self.partitions(table) for table in STACK_TABLES}
        return {"records": records, "stored": stored, "named": named, "jobs": jobs, "glue": glue}


def _timeless(data: bytes) -> bytes:
    return re.sub(rb'"(started|finished)_at": "[^"]*"', b"", data)


def sqs_record(number: str, body: str) -> dict[str, Any]:
    return {
        "messageId": number,
        "receiptHandle": "handle",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1",
            "SenderId": "x",
            "ApproximateFirstReceiveTimestamp": "1",
        },
        "messageAttributes": {},
        "md5OfBody": "x",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:queue",
        "awsRegion": REGION,
    }


_FEATURES = to_parquet(FEATURES_SCHEMA.empty_table())  # nobody but the job reads them


def do_the_job(world: World, job: dict[str, Any]) -> None:
    """Write what the job writes: keys with "broken" in them are rejected."""
    words = job["jobDriver"]["sparkSubmit"]["entryPointArguments"]
    options = dict(word.removeprefix("--").split("=", 1) for word in words)
    run, results = run_in(options["run-of"]), world.results
    keys = world.manifest_of(run.batch, run.number)
    there = {key for key in keys if _exists(world, key)}
    good = [key for key in keys if key in there and "broken" not in key]
    bad = [key for key in keys if "broken" in key]
    version = world.pca_version
    if bad or len(there) < len(keys):
        rows = [{"path": key, "reason": "decode_error", "detail": "", "content_sha256": ""}
                for key in bad]  # fmt: skip
        table = pa.Table.from_pylist(rows, REJECTED_SCHEMA)
        results.write(f"{run.rejected}/part-00000.parquet", to_parquet(table))
    if good:
        results.write(f"{run.results}/part-00000.parquet", _FEATURES)
        results.write(CURRENT_PCA, json.dumps({"version": version, "backbone": "b"}).encode())
        for placed in {run, *receipt.done_runs(results)}:
            if not results.list(placed.results):
                continue
            kept = [k for k in world.manifest_of(placed.batch, placed.number) if "broken" not in k]
            results.write(f"{placed.results_pca(version)}/part-00000.parquet", _coordinates(kept))
    account = Receipt(
        batch=run.batch,
        run=run.number,
        backbone="b",
        found=len(keys),
        processed=len(good),
        rejected=len(bad),
        missing=len(keys) - len(there),
        skipped=0,
        rejected_by_reason={"decode_error": len(bad)} if bad else {},
        duplicates=Duplicates(),
        pca=PcaNote(version, False, 50, 0.9) if good else None,
        seconds={},
        started_at="",
        finished_at="",
        expected=int(options["expected"]) if "expected" in options else None,
    )
    results.write(run.receipt, receipt.pack(account))


def _exists(world: World, key: str) -> bool:
    try:
        Bucket(world.s3, "uploads").read(key)
    except ObjectNotFoundError:
        return False
    return True


def _coordinates(keys: list[str]) -> bytes:
    columns = {
        "path": pa.array(keys, pa.string()),
        "label": pa.array([label_of(key) for key in keys], pa.string()),
        "pca": vector_column(np.ones((len(keys), COMPONENTS), np.float32)),
        "content_sha256": pa.array([""] * len(keys), pa.string()),
        "backbone": pa.array(["b"] * len(keys), pa.string()),
    }
    return to_parquet(pa.table([columns[n] for n in PCA_SCHEMA.names], schema=PCA_SCHEMA))


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
        patch.setattr(boto3, "DEFAULT_SESSION", _session())
        patch.setattr(boto3, "client", _client)
        patch.setattr(dead_letters, "_WAIT_SECONDS", 0)
        world = _resources(folder, patch)
        _NOW.append(world)
        try:
            yield world
        finally:
            _NOW.pop()
            _forget()
            patch.undo()


@cache
def _session() -> boto3.Session:
    """One for all worlds: loading the services' models takes longer than a test."""
    session = boto3.Session("testing", "testing", region_name=REGION)
    session.events.register_first("before-send", _before_send)
    session.events.register("after-call", _after_call)
    session.events.register_first("before-send.emr-serverless", _answer_for_emr)
    return session


@cache
def _client(service: str, **options: Any) -> Any:
    return _session().client(service, **options)


def _resources(folder: Path, patch: pytest.MonkeyPatch) -> World:
    where: Any = {"LocationConstraint": REGION}
    s3 = boto3.client("s3")
    for bucket in ("uploads", "results", "artifacts"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    s3.put_bucket_versioning(Bucket="uploads", VersioningConfiguration={"Status": "Enabled"})
    sqs = boto3.client("sqs")
    urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"]
            for name in ("uploads", "submit", "catalog", "dead")}  # fmt: skip
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
    _forget()
    return world


def environment(application: str, urls: dict[str, str], topic: str, key: str) -> dict[str, str]:
    return {
        "AWS_REGION": REGION,
        "TABLE": "runs",
        "UPLOADS_BUCKET": "uploads",
        "RESULTS_BUCKET": "results",
        "UPLOAD_DEAD_LETTERS_URL": urls["dead"],
        "SIGNING_KEY": key,
        "SUBMIT_QUEUE_URL": urls["submit"],
        "CATALOG_QUEUE_URL": urls["catalog"],
        "QUIET_SECONDS": "0",
        "MARKER_SECONDS": "0",
        "MAX_AGE_SECONDS": "3600",
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
        "PAGE_ORIGIN": "https://page.example",
        "SIGN_IN_URL": "https://sign-in.example",
        "CLIENT_ID": "page",
        "GLUE_DATABASE": "darkroom",
        "TOPIC_ARN": topic,
        "PRICE_VCPU_HOUR": "0.05",
        "PRICE_GB_HOUR": "0.005",
        "PRICE_STORAGE_GB_HOUR": "0.0001",
        "CURRENCY": "EUR",
        "RUN_LIMIT_MINUTES": "60",
    }


def _forget() -> None:
    """What handlers keep from one invocation to the next."""
    for cached in (
        collect_uploads.collector, collect_uploads.erased_uploads, submit_job.rules,
        submit_job.station, submit_job.erasures, catalog_results.completion,
        catalog_results.erasures,
        reconcile.settings, reconcile.runs, reconcile.queues, api.service,
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


class _Raw:
    """The body of an HTTP response."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


def _call(request: Any) -> Call:
    return call_of(request.method, request.url, request.headers, request.body)


_NOTED: set[object] = set()
_NOW: list[World] = []  # clients outlive worlds, and what hooks them is asked for the current one


def _before_send(request: Any, **_: Any) -> None:
    if _NOW:
        _NOW[-1].note_request(request)


def _after_call(model: Any, http_response: Any, **_: Any) -> None:
    if _NOW:
        _NOW[-1].note_call(model.name, http_response.status_code)


def _answer_for_emr(request: Any, **_: Any) -> AWSResponse:
    path = request.url.split(".com", 1)[1].split("?")[0]
    told = _NOW[-1].emr.answer(request.method, path, request.body or b"", {})
    headers = {"x-amzn-ErrorType": told.error} if told.error else {}
    body = json.dumps(told.body).encode()
    return AWSResponse(request.url, told.status, headers, _Raw(body))
