"""Archives that were uploaded, each by a message of its own, to the uploads that are in them."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.aws.bucket import Bucket
from functions.aws.observability import count, logger, message_processor, metrics, tracer
from functions.aws.region import eu_only
from functions.aws.settings import UnpackSettings, read_settings
from functions.intake.collector import collector_of
from functions.runs.queues import unpacking_in
from functions.unpacking.steps import Unpacker

_MARGIN_MILLISECONDS = 60_000

processor = message_processor()


@cache
def unpacker() -> Unpacker:
    """Built once per process."""
    settings = read_settings(UnpackSettings, os.environ)
    collector = collector_of(settings)
    return Unpacker(
        collector, Bucket(collector.s3, settings.uploads_bucket), settings.max_image_bytes
    )


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
