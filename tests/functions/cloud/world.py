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
from functools import cached_property
from pathlib import Path
from threading import local
from typing import Any
from urllib.parse import quote_plus

import boto3

from darkroom import manifest
from darkroom.layout import Run
from darkroom.manifest import Entry
from functions import reconcile
from functions.aws.bucket import Bucket
from functions.runs.queues import WorkQueues
from functions.runs.records import RunRecord
from functions.runs.table import RunTable
from local_cloud.access.asks import Call, call_of
from local_cloud.access.notes import is_on, note
from local_cloud.emr.service import EmrServerless
from tests.functions.cloud.as_stack import HANDLERS, PLACE, ROLES
from tests.functions.cloud.invocations import Context, drain, sqs_record, waits
from tests.functions.cloud.job import attempt_of, do_the_job

EVENTS = Path(__file__).parents[1] / "events"

STACK_TABLES = ("features", "features_pca_versions", "rejected", "skipped", "results_csv")

# S3 tells of uploads sooner than the shortest quiet period, which is none here
_ORDER = ("uploads", "unpack", "uploads", "submit", "small", "catalog")

_NOTED: set[object] = set()


class PlantedError(BaseException):  # a function that dies handles nothing
    """Planted after an AWS call."""


@dataclass
class World:
    """The stack's resources. `calls` are the AWS calls that handlers made."""

    emr: EmrServerless
    urls: dict[str, str]
    calls: list[str] = field(default_factory=list)
    in_handler: bool = False
    role: str = ""
    asking: local = field(default_factory=local)
    preparing: bool = False
    deliveries: int = 1
    backwards: bool = False
    sequence: int = 0
    job: Callable[[World, dict[str, Any]], None] = lambda world, job: do_the_job(world, job)
    job_fails: Callable[[int], bool] = lambda attempt: False
    small_work: Callable[[Run, Callable[[], bool]], None] = lambda run, out_of_time: None
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

    @cached_property
    def runs(self) -> RunTable:
        return RunTable(boto3.resource("dynamodb").Table("runs"))

    @property
    def queues(self) -> WorkQueues:
        return WorkQueues(boto3.client("sqs"), self.urls["submit"], self.urls["catalog"])

    # ------------------------------------------------------------ uploads

    def event(
        self, key: str, size: int = 1024, sequencer: str = "", version_id: str = ""
    ) -> dict[str, Any]:
        """A real payload, about another object."""
        self.sequence += 1
        event: dict[str, Any] = deepcopy(json.loads((EVENTS / "s3_put.json").read_text()))
        stored = event["Records"][0]["s3"]["object"]
        stored.update(
            key=quote_plus(key, safe="/"),
            size=size,
            sequencer=sequencer or f"{self.sequence:016X}",
            versionId=version_id or f"v{sequencer or self.sequence}",
        )
        return event

    def upload(self, key: str, body: bytes = b"picture") -> dict[str, Any]:
        """Put an object and send its event; the event."""
        stored = self.s3.put_object(Bucket="uploads", Key=key, Body=body)
        event = self.event(key, len(body), version_id=stored["VersionId"])
        self.send("uploads", event)
        return event

    def send(self, queue: str, message: dict[str, Any]) -> None:
        boto3.client("sqs").send_message(QueueUrl=self.urls[queue], MessageBody=json.dumps(message))

    # ------------------------------------------------------------ the event loop

    def pump(self, rounds: int = 40) -> None:
        """Deliver messages, and let jobs end, until nothing moves any more."""
        for _ in range(rounds):
            moved = [self.deliver(queue) for queue in _ORDER]
            if not any(moved) and not self.finish_jobs():
                return
        raise AssertionError("the pipeline does not come to rest")

    def deliver(self, queue: str) -> int:
        """Hand what is in a queue to its function; what failed stays. How many came. Of what the
        function uploads, S3 tells."""
        with self.handling(""):
            uploads = queue == "unpack" and waits(self.urls[queue])
            before = self._stored() if uploads else set()
            came = self._deliver(self.urls[queue], queue)
            for key, version, size in sorted(self._stored() - before) if uploads else ():
                self.send("uploads", self.event(key, size, version_id=version))
            return came

    def _stored(self) -> set[tuple[str, str, int]]:
        told = self.s3.list_object_versions(Bucket="uploads").get("Versions", [])
        return {(item["Key"], item["VersionId"], item["Size"]) for item in told}

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
        with self.handling(ROLES[queue]):
            try:
                answer = HANDLERS[queue].handler(event, self.context)
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
        self.asking.last = None
        if is_on() and self.in_handler and not self.preparing:
            target = request.headers.get("X-Amz-Target")
            asked = (self.role, request.method, request.url, target, request.body)
            self.asking.last = request
            if asked not in _NOTED:
                _NOTED.add(asked)
                note(self.role, PLACE.asks(_call(request)))

    def lose_messages(self) -> None:
        for queue in ("unpack", "submit", "small", "catalog"):
            drain(self.urls[queue])

    def note_call(self, name: str, status: int) -> None:
        """An AWS call was made, and has had its effect."""
        if (last := getattr(self.asking, "last", None)) and status == 404:
            note(self.role, PLACE.when_missing(_call(last)))
        if self.in_handler and not self.preparing:
            self.calls.append(name)
            self.on_call(name)

    # ------------------------------------------------------------ jobs

    def finish_jobs(self, tell: bool = True) -> int:
        """Let submitted jobs do their work and end; how many."""
        waiting = [job for job in self.emr._jobs.values() if job["state"] == "SUBMITTED"]
        for job in waiting:
            self.emr._change(job, "RUNNING")
            failed = self.job_fails(attempt_of(job))
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
        return [entry.key for entry in self.entries_of(batch, run)]

    def entries_of(self, batch: str, run: int = 1) -> list[Entry]:
        keys = self.results.list(Run(batch, run).manifest)
        return [entry for key in keys for entry in manifest.unpack(self.results.read(key))]

    def partitions(self, table: str) -> set[tuple[str, ...]]:
        pages = (
            boto3.client("glue")
            .get_paginator("get_partitions")
            .paginate(DatabaseName="darkroom", TableName=table)
        )
        return {tuple(p["Values"]) for page in pages for p in page["Partitions"]}

    def end_state(self) -> dict[str, Any]:
        """Everything that readers and people see, without moments in time."""
        moving = {"revision", "job", "job_share", "cost", "vcpu_hours", "memory_gb_hours",
                  "storage_gb_hours", "opened_at", "changed_at", "last_upload_at", "sealed_at",
                  "submitted_at", "client_token", "job_run_id", "uploads", "size_bytes",
                  "parts", "lane", "works_until", "function_gb_seconds"}  # fmt: skip
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
        glue = {table: self.partitions(table) for table in STACK_TABLES}
        return {"records": records, "stored": stored, "named": named, "glue": glue}


def _timeless(data: bytes) -> bytes:
    return re.sub(rb'"(started|finished)_at": "[^"]*"', b"", data)


def _call(request: Any) -> Call:
    return call_of(request.method, request.url, request.headers, request.body)
