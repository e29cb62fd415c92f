"""The queues between the functions: which of them takes a run's next step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from darkroom import strict_json
from darkroom.errors import TransientError
from darkroom.layout import Run
from darkroom.storage.read_ahead import read_ahead
from functions.runs.records import Lane, RunRecord, State

LONGEST_DELAY_SECONDS = 900  # of an SQS message
_MOST_TOGETHER = 10  # messages in one call
_SENDERS = 8


@dataclass(frozen=True)
class Work:
    """A message: look at this run. `timer` marks the one that comes again until the run closes."""

    run: Run
    timer: bool = False


@dataclass(frozen=True)
class Unpacking:
    """A message: unpack the archive that a part of the run names, from member `start` on, of those
    before which `stored` were stored."""

    run: Run
    part: str
    start: int = 0
    stored: int = 0

    def after(self, number: int, is_stored: bool) -> Unpacking:
        """What is left to do after a member."""
        return Unpacking(self.run, self.part, number + 1, self.stored + is_stored)


@dataclass(frozen=True)
class WorkQueues:
    """Sends work. `sqs` is a boto3 client."""

    sqs: Any
    submit_url: str
    catalog_url: str = ""
    unpack_url: str = ""
    small_url: str = ""

    def wake(self, run: Run, delay_seconds: float) -> None:
        """Let `submit_job` look at an open run after a delay, and again until it is closed."""
        delay = min(max(int(delay_seconds), 0), LONGEST_DELAY_SECONDS)
        self._send(self.submit_url, Work(run, timer=True), delay)

    def look_at_all(self, runs: Sequence[Run]) -> None:
        """Let `catalog_results` look at each of many runs, whatever their state. Raises
        `TransientError` where SQS did not take all."""
        entries = [
            {"Id": str(number), "MessageBody": _body(Work(run))} for number, run in enumerate(runs)
        ]
        batches = [
            entries[at : at + _MOST_TOGETHER] for at in range(0, len(entries), _MOST_TOGETHER)
        ]
        for answer in read_ahead(self._send_together, batches, _SENDERS):
            if answer.get("Failed"):
                raise TransientError(f"SQS did not take all messages: {answer['Failed'][:3]}")

    def _send_together(self, entries: list[dict[str, str]]) -> dict[str, Any]:
        return dict(self.sqs.send_message_batch(QueueUrl=self.catalog_url, Entries=entries))

    def look_again(self, record: RunRecord, delay_seconds: int) -> None:
        """Let `catalog_results` look at a run after a while."""
        self._send(self.catalog_url, Work(record.key), delay_seconds)

    def pass_on(self, record: RunRecord) -> None:
        """Let the function that takes the run's next step look at it now."""
        if record.state in (State.OPEN, State.SEALED):
            self._send(self.submit_url, Work(record.key))
        elif record.lane == Lane.SMALL and record.state in (State.SUBMITTED, State.RUNNING):
            self._send(self.small_url, Work(record.key))
        elif record.state in (State.SUBMITTED, State.RUNNING, State.SUCCEEDED):
            self._send(self.catalog_url, Work(record.key))

    def unpack(self, work: Unpacking) -> None:
        """Let an archive be unpacked. Its name stays where erasures look for it."""
        body = {"batch": work.run.batch, "run": work.run.number, "part": work.part,
                "start": work.start, "stored": work.stored}  # fmt: skip
        self.sqs.send_message(QueueUrl=self.unpack_url, MessageBody=json.dumps(body))

    def _send(self, url: str, work: Work, delay_seconds: int = 0) -> None:
        self.sqs.send_message(QueueUrl=url, MessageBody=_body(work), DelaySeconds=delay_seconds)


def _body(work: Work) -> str:
    return json.dumps({"batch": work.run.batch, "run": work.run.number, "timer": work.timer})


def job_in(body: str) -> str | None:
    """The job run that an EMR Serverless event in the body tells of; None for other messages."""
    message = strict_json.parse(body)
    if not isinstance(message, dict) or message.get("source") != "aws.emr-serverless":
        return None
    try:
        return str(message["detail"]["jobRunId"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"an event that names no job: {error!r}") from error


def work_in(body: str) -> Work:
    """The work that a message asks for. Raises `ValueError` for anything else."""
    message = strict_json.parse(body)
    try:
        return Work(Run(str(message["batch"]), int(message["run"])), bool(message["timer"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a run to look at: {error!r}") from error


def unpacking_in(body: str) -> Unpacking:
    """The archive that a message is about. Raises `ValueError` for anything else."""
    message = strict_json.parse(body)
    try:
        run = Run(str(message["batch"]), int(message["run"]))
        start, stored = int(message["start"]), int(message["stored"])
        return Unpacking(run, str(message["part"]), start, stored)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an archive to unpack: {error!r}") from error
