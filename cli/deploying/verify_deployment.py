"""A deployment's check: a batch of one broken picture the whole way."""

from __future__ import annotations

from time import monotonic, strftime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cli.on_stack.backlog import backlog_words
from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from cli.on_stack.status import wait_until_finished
from cli.terminal.say import say
from darkroom.errors import DarkroomError
from functions.runs.records import RunRecord, State
from functions.runs.wording import words

CHECK_BATCH = "darkroom-check"
PATIENCE_SECONDS = 15 * 60.0
_LOG_LINES = 10

# Who has to do the next step, and what to look at if nobody does.
_NEXT = {
    None: ("collect-uploads", "S3 may not reach the queue: `darkroom doctor` compares the policies "
           "of queue and key"),
    State.OPEN: ("submit-job", "is the event source mapping of submit-job enabled?"),
    State.SEALED: ("submit-job", "may submit-job start jobs and pass the job's role?"),
    State.SUBMITTED: ("catalog-results", "a job waits for capacity, or EMR Serverless could not "
                      "start it: see the application in the EMR console"),
    State.RUNNING: ("catalog-results", "`darkroom logs {batch}` shows what the job says"),
    State.SUCCEEDED: ("catalog-results", "may catalog-results write to Glue (Lake Formation)?"),
}  # fmt: skip


def verify(stack: Stack) -> None:
    """Send the batch: it takes every step, but leaves no trace in the coordinate system. Raises
    `DarkroomError` where it fails, or where its run is unfinished after fifteen minutes."""
    say("verifying with a batch of one broken picture (it starts Spark: some minutes in AWS)")
    batch = f"{CHECK_BATCH}-{strftime('%Y%m%d-%H%M%S')}"
    put_bytes(stack, f"{batch}/broken.jpg", b"\xff\xd8\xffno picture")
    put_bytes(stack, f"{batch}/_READY", b'{"images": 1}')
    record = _finished(stack, batch)
    if record.state != State.DONE or (record.processed, record.rejected) != (0, 1):
        raise DarkroomError(
            f"the check failed: run {record.run} of {batch} is {record.state}: {record.reason}"
        )
    say("verified: received, processed, catalogued, and the receipt balances")


def _finished(stack: Stack, batch: str) -> RunRecord:
    deadline = monotonic() + PATIENCE_SECONDS

    def give_up(record: RunRecord | None) -> None:
        if monotonic() > deadline:
            raise DarkroomError("\n".join(_what_is_known(stack, batch, record)))

    return wait_until_finished(stack, batch, on_look=give_up)


def _what_is_known(stack: Stack, batch: str, record: RunRecord | None) -> list[str]:
    state = record.state if record else None
    function, advice = _NEXT[state]
    where = words(record, stack.closing_rules) if record else "no run knows of its upload"
    return [
        f"the stack is deployed, but its check has not come to an end within "
        f"{PATIENCE_SECONDS / 60:.0f} minutes. It may still: `darkroom status {batch}`",
        f"  the batch {batch}: {where}",
        *(f"  {line}" for line in list(backlog_words(stack)) or ["all queues are empty"]),
        *(f"  {function} wrote: {line}" for line in _last_lines(stack.name, function)),
        f"  look at {function} next: {advice.format(batch=batch)}",
    ]


def _last_lines(stack: str, function: str) -> list[str]:
    """The end of a function's log; a line about it where there is none."""
    logs: Any = boto3.client("logs")
    group = f"/darkroom/{stack}/{function}"
    try:
        streams = logs.describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
        )["logStreams"]
        if not streams:
            return ["nothing: it was never called"]
        events = logs.get_log_events(
            logGroupName=group, logStreamName=streams[0]["logStreamName"], limit=_LOG_LINES
        )["events"]
    except (ClientError, BotoCoreError) as error:
        return [f"its log {group} cannot be read: {error}"]
    return [event["message"].rstrip() for event in events]
