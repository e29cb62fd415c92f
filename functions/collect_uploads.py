"""S3 events (through SQS) to the open runs of their batches."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from threading import Lock, local

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
from functions.intake.collector import Collector, collector_of
from functions.intake.erased_uploads import ErasedUploads
from functions.intake.uploads import Upload, notification_in


@dataclass(frozen=True)
class Told:
    """An upload, and the message that told of it."""

    message: str
    upload: Upload


AT_ONCE = 16  # batches; each takes some calls, one after the other
_MARGIN_MILLISECONDS = 15_000

_own = local()
_building = Lock()


@cache
def threads() -> ThreadPoolExecutor:
    """Built once per process: each thread has clients of its own, which boto3's resources need."""
    return ThreadPoolExecutor(AT_ONCE)


def collector() -> Collector:
    """Built once per thread."""
    if not hasattr(_own, "collector"):
        with _building:
            _own.collector = collector_of(read_settings(CollectSettings, os.environ))
    mine: Collector = _own.collector
    return mine


@cache
def erased_uploads() -> ErasedUploads:
    """Built once per process."""
    settings = read_settings(CollectSettings, os.environ)
    return ErasedUploads(Bucket(boto3.client("s3"), settings.results_bucket))


@eu_only
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@event_source(data_class=SQSEvent)
def handler(event: SQSEvent, context: LambdaContext) -> PartialItemFailureResponse:
    """Register all uploads of the messages, batches side by side; those of messages that failed, or
    for which there was no time, come again."""
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
    register = partial(_register, erased_uploads().now(), context)
    side_by_side = threads().map if min(len(told), AT_ONCE) > 1 else map
    for messages in side_by_side(register, told.keys(), told.values()):
        failed |= messages
    for uploads in told.values():
        count("Uploads", len(uploads))
    return {"batchItemFailures": [{"itemIdentifier": message} for message in sorted(failed)]}


def _register(
    blocked: BlockList, context: LambdaContext, batch: str, told: Sequence[Told]
) -> set[str]:
    """Register a batch's uploads; the messages that have to come again."""
    if context.get_remaining_time_in_millis() < _MARGIN_MILLISECONDS:
        return {one.message for one in told}

    def collect(some: Sequence[Told]) -> None:
        collector().collect(batch, [one.upload for one in some], blocked)

    return {one.message for one in failing(collect, told, partial(_report_failed, batch))}


def _report_not_understood(message: str, problem: str) -> None:
    logger.error("not understood", extra={"message_id": message, "error": problem})


def _report_failed(batch: str, error: Exception, some: Sequence[Told]) -> None:
    logger.error("not registered", exc_info=error, extra={"batch": batch, "uploads": len(some)})
