"""Small batches, each by a message of its own, worked as the Spark job works large ones."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.images.contract import chosen
from darkroom.images.outcome import Limits
from darkroom.layout import Run
from functions.aws.observability import count, logger, message_processor, metrics, tracer
from functions.aws.region import eu_only
from functions.aws.settings import SmallJobSettings, read_settings
from functions.runs.queues import WorkQueues, work_in
from functions.runs.state_machine import Station, advance
from functions.runs.table import RunTable
from functions.small_batches.steps import SmallBatches
from functions.small_batches.worker import Worker

_MARGIN_MILLISECONDS = 30_000  # for the parts that are being worked, coordinates and the receipt

processor = message_processor()


@cache
def settings() -> SmallJobSettings:
    """Read once per process."""
    return read_settings(SmallJobSettings, os.environ)


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


@cache
def worker() -> Worker:
    """Built once per process: model and decoders stay for the next run."""
    told = settings()
    made = Worker(
        output=f"s3://{told.results_bucket}",
        model=f"{told.job_uri}/mobilenet_v2.onnx",
        limits=Limits(told.max_image_bytes, told.max_image_pixels),
        thumbnails=told.thumbnails == "on",
        contract=chosen(told.exact_decode == "on"),
        cores=len(os.sched_getaffinity(0)),
    )
    made.start()
    return made


@tracer.capture_method(capture_response=False)
def look_at(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Work the run that a message names, if it is still to be worked here."""

    def out_of_time() -> bool:
        return lambda_context.get_remaining_time_in_millis() < _MARGIN_MILLISECONDS

    def work(run: Run, expected: int | None) -> None:
        worker().work(run, expected, out_of_time)  # built here: where it cannot be, Spark works

    small = SmallBatches(
        runs(),
        work,
        lambda: lambda_context.get_remaining_time_in_millis() / 1000,
        int(lambda_context.memory_limit_in_mb) / 1024,
        lambda_context.aws_request_id,
    )
    advance(
        work_in(record.body).run, Station(runs(), queues(), small.steps, {}, {}, small.to_spark)
    )


@eu_only
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Work the runs that the messages name; those that failed come again."""
    count("Messages", len(event["Records"]))
    return process_partial_response(event, look_at, processor, context)
