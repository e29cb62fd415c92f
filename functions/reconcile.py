"""The schedule: find what no event told of."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from time import time

import boto3
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.errors import TransientError
from darkroom.layout import JOBS
from functions.aws.isolation import failing
from functions.aws.observability import count, logger, metrics, tracer
from functions.aws.region import eu_only
from functions.aws.settings import ReconcileSettings, read_settings
from functions.runs.queues import WorkQueues
from functions.runs.records import UNFINISHED, RunRecord, State
from functions.runs.table import RunTable


@cache
def settings() -> ReconcileSettings:
    """Read once per process."""
    return read_settings(ReconcileSettings, os.environ)


@cache
def runs() -> RunTable:
    """Built once per process."""
    return RunTable(boto3.resource("dynamodb").Table(settings().table))


@cache
def queues() -> WorkQueues:
    """Built once per process."""
    return WorkQueues(
        boto3.client("sqs"), settings().submit_queue_url, settings().catalog_queue_url
    )


@eu_only
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@event_source(data_class=EventBridgeEvent)
def handler(event: EventBridgeEvent, context: LambdaContext) -> None:
    """Let every unfinished run be looked at, and count those that take too long."""
    unfinished = [record for state in UNFINISHED for record in runs().in_state(state)]
    failed = failing(_pass_on, unfinished, _report)
    under_way = [record for record in unfinished if record.batch != JOBS]
    is_busy = len(under_way) < len(unfinished)
    late = [record for record in under_way if _is_late(record, is_busy)]
    for record in late:
        logger.warning(
            "over its limit",
            extra={"batch": record.batch, "run": record.run, "state": record.state},
        )
    if under_way:  # a metric costs for each hour that it is told in, and silence is well
        count("UnfinishedRuns", len(under_way))
        count("RunsOverLimit", len(late))
        metrics.flush_metrics()
    if failed:
        raise TransientError(f"{len(failed)} of {len(unfinished)} runs were not looked at")


def _pass_on(records: Sequence[RunRecord]) -> None:
    for record in records:
        queues().pass_on(record)


def _report(error: Exception, records: Sequence[RunRecord]) -> None:
    runs = [(record.batch, record.run) for record in records]
    logger.error("not passed on", exc_info=error, extra={"runs": runs[:20]})


def _is_late(record: RunRecord, is_busy: bool) -> bool:
    """Whether nothing has moved it for longer than a run should take. Open ones wait for uploads,
    not for us; closed ones for the job that is at work, whose own runs are late if it is."""
    if record.state == State.OPEN or (record.state == State.SEALED and is_busy):
        return False
    return time() - record.changed_at > settings().run_limit_minutes * 60
