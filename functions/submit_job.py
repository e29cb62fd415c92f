"""Timers and wake-up calls to sealed runs and submitted jobs."""

from __future__ import annotations

import os
from functools import cache
from time import time
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.layout import ERASURES
from functions.aws.bucket import Bucket
from functions.aws.observability import count, logger, message_processor, metrics, tracer
from functions.aws.region import eu_only
from functions.aws.settings import SubmitSettings, read_settings
from functions.erasure.right_of_way import Erasures
from functions.runs.batch_complete import ClosingRules, closing_of, rules_of
from functions.runs.queues import WorkQueues, work_in
from functions.runs.records import State
from functions.runs.reporting import report
from functions.runs.state_machine import Station, advance
from functions.runs.table import RunTable
from functions.submission.job_runs import JobRuns
from functions.submission.joint_job import JointJob
from functions.submission.sealing import Sealer
from functions.submission.steps import Submission

_MOST_DELIVERIES = 5  # then a message is a dead letter

processor = message_processor()


@cache
def rules() -> ClosingRules:
    """When a batch is complete."""
    settings = read_settings(SubmitSettings, os.environ)
    return rules_of(settings)


@cache
def erasures() -> Erasures:
    """Built once per process."""
    settings = read_settings(SubmitSettings, os.environ)
    runs = RunTable(boto3.resource("dynamodb").Table(settings.table))
    queues = WorkQueues(
        boto3.client("sqs"),
        settings.submit_queue_url,
        settings.catalog_queue_url,
        small_url=settings.small_queue_url,
    )
    return Erasures(runs, queues)


@cache
def submission() -> Submission:
    """Built once per process."""
    settings = read_settings(SubmitSettings, os.environ)
    runs, queues = erasures().runs, erasures().queues
    sealer = Sealer(Bucket(boto3.client("s3"), settings.results_bucket))
    jobs = JobRuns(boto3.client("emr-serverless"), settings)
    joint = JointJob(runs, queues, jobs, report)
    small = settings.small_batch_images
    return Submission(runs, erasures(), sealer, jobs, joint, rules(), small, report)


@cache
def station() -> Station:
    """Built once per process."""
    steps = submission()
    return Station(
        steps.runs,
        erasures().queues,
        steps.steps,
        steps.erasure_steps,
        steps.job_steps,
        steps.fail,
    )


@tracer.capture_method(capture_response=False)
def look_at(record: SQSRecord) -> None:
    """Advance one run; a timer comes again as long as the run is open."""
    work = work_in(record.body)
    if int(record.attributes.approximate_receive_count or 1) >= _MOST_DELIVERIES:
        submission().give_up(work.run)
    left = advance(work.run, station())
    if left is not None and left.state == State.FAILED:  # others may have waited for it
        erasures().release() if work.run.batch == ERASURES else erasures().wake()
    if work.timer and left is not None and left.state == State.OPEN:
        # a count that is reached wakes the run by itself; until then it is not counted again
        closing = closing_of(left, rules(), lambda: min(left.uploads, (left.expected or 1) - 1))
        station().queues.wake(work.run, closing.at - time() + 1)


@eu_only
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Look at the runs that the messages name; those that failed come again."""
    count("Messages", len(event["Records"]))
    return process_partial_response(event, look_at, processor, context)
