"""S3 events (through SQS) to the open runs of their batches."""

from __future__ import annotations

import os
from functools import cache

import boto3
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import SQSEvent, event_source
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.bucket import Bucket
from functions.collect import Collector, by_batch
from functions.erased_uploads import ErasedUploads
from functions.observability import count, logger, metrics, tracer
from functions.queues import WorkQueues
from functions.region import eu_only
from functions.runs import RunTable
from functions.settings import CollectSettings, read_settings
from functions.uploads import Upload, uploads_in


@cache
def collector() -> Collector:
    """Built once per process."""
    settings = read_settings(CollectSettings, os.environ)
    s3 = boto3.client("s3")
    return Collector(
        RunTable(boto3.resource("dynamodb").Table(settings.table)),
        Bucket(s3, settings.results_bucket),
        WorkQueues(boto3.client("sqs"), settings.submit_queue_url),
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
    told: dict[str, list[Upload]] = {}
    failed: set[str] = set()
    for record in event.records:
        try:
            told[record.message_id] = uploads_in(record.body)
        except (ValueError, KeyError) as error:
            logger.error(
                "not understood", extra={"message_id": record.message_id, "error": str(error)}
            )
            failed.add(record.message_id)
    blocked = erased_uploads().now()
    for batch, uploads in by_batch(u for several in told.values() for u in several).items():
        try:
            collector().collect(batch, uploads, blocked)
            count("Uploads", len(uploads))
        except Exception:
            logger.exception("not registered", extra={"batch": batch, "uploads": len(uploads)})
            failed |= {message for message, several in told.items()
                       if any(upload.batch == batch for upload in several)}  # fmt: skip
    return {"batchItemFailures": [{"itemIdentifier": message} for message in sorted(failed)]}
