"""Archives that were uploaded, each by a message of its own, to the uploads that are in them."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.aws.bucket import Bucket
from functions.aws.observability import count, logger, message_processor, metrics, tracer
from functions.aws.region import eu_only
from functions.aws.settings import UnpackSettings, read_settings
from functions.intake.collector import Collector
from functions.runs.queues import WorkQueues, unpacking_in
from functions.runs.table import RunTable
from functions.unpacking.steps import Unpacker

_MARGIN_MILLISECONDS = 60_000

processor = message_processor()


@cache
def unpacker() -> Unpacker:
    """Built once per process."""
    settings = read_settings(UnpackSettings, os.environ)
    s3 = boto3.client("s3")
    collector = Collector(
        RunTable(boto3.resource("dynamodb").Table(settings.table)),
        Bucket(s3, settings.results_bucket),
        WorkQueues(
            boto3.client("sqs"), settings.submit_queue_url, unpack_url=settings.unpack_queue_url
        ),
        s3,
        settings.quiet_seconds,
        settings.marker_seconds,
        settings.max_run_files,
    )
    return Unpacker(collector, Bucket(s3, settings.uploads_bucket), settings.max_image_bytes)


@tracer.capture_method(capture_response=False)
def unpack(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Unpack one archive as far as time allows."""

    def has_time() -> bool:
        return lambda_context.get_remaining_time_in_millis() > _MARGIN_MILLISECONDS

    unpacker().unpack(unpacking_in(record.body), has_time)


@eu_only
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Unpack the archives that the messages name; those that failed come again."""
    count("Messages", len(event["Records"]))
    return process_partial_response(event, unpack, processor, context)
