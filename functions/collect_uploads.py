"""S3 events (through SQS) to the open runs of their batches."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import boto3
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.erasure.block_list import BlockList
from functions.aws.bucket import Bucket
from functions.aws.isolation import failing
from functions.aws.observability import count, logger, metrics, tracer
from functions.aws.region import eu_only
from functions.aws.settings import CollectSettings, read_settings
from functions.intake.collector import Collector
from functions.intake.erased_uploads import ErasedUploads
from functions.intake.uploads import Upload, notification_in
from functions.runs.queues import WorkQueues
from functions.runs.table import RunTable


@dataclass(frozen=True)
class Told:
    """An upload, and the message that told of it."""

    message: str
    upload: Upload


@cache
def collector() -> Collector:
    """Built once per process."""
    settings = read_settings(CollectSettings, os.environ)
    s3 = boto3.client("s3")
    return Collector(
        RunTable(boto3.resource("dynamodb").Table(settings.table)),
        Bucket(s3, settings.results_bucket),
        WorkQueues(
            boto3.client("sqs"), settings.submit_queue_url, unpack_url=settings.unpack_queue_url
        ),
        s3,
        settings.quiet_seconds,
        settings.marker_seconds,
    )


@cache
def erased_uploads() -> ErasedUploads:
    """Built once per process."""
    return ErasedUploads(collector().results)


@eu_only
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_source(data_class=SQSEvent)
def handler(event: SQSEvent, context: LambdaContext) -> PartialItemFailureResponse:
    """Register all uploads of the messages; those of messages that failed come again."""
    count("Messages", len(event["Records"]))
    told: dict[str, list[Told]] = defaultdict(list)
    failed: set[str] = set()
    for record in event.records:
        notification = notification_in(record.body)
        if notification.problem:
            _report_not_understood(record.message_id, notification.problem)
            failed.add(record.message_id)
        for upload in notification.uploads:
            told[upload.batch].append(Told(record.message_id, upload))
    blocked = erased_uploads().now()
    for batch, several in told.items():
        register, report = partial(_register, batch, blocked), partial(_report_failed, batch)
        failed |= {one.message for one in failing(register, several, report)}
        count("Uploads", len(several))
    return {"batchItemFailures": [{"itemIdentifier": message} for message in sorted(failed)]}


def _register(batch: str, blocked: BlockList, several: Sequence[Told]) -> None:
    collector().collect(batch, [one.upload for one in several], blocked)


def _report_not_understood(message: str, problem: str) -> None:
    logger.error("not understood", extra={"message_id": message, "error": problem})


def _report_failed(batch: str, error: Exception, some: Sequence[Told]) -> None:
    logger.error("not registered", exc_info=error, extra={"batch": batch, "uploads": len(some)})
