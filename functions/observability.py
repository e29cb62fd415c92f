"""Logs, metrics and traces. One log line per outcome: ids, counts and durations, no raw events."""

from __future__ import annotations

import logging
from time import time
from typing import cast

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType

from functions.records import RunRecord, State

logger = Logger()  # names of service and namespace come from the environment
metrics = Metrics()
tracer = Tracer()


def message_processor() -> BatchProcessor:
    """For the messages of a queue, one by one: those that fail are logged, and come again."""
    return BatchProcessor(
        event_type=EventType.SQS,
        raise_on_entire_batch_failure=False,
        logger=cast("logging.Logger", logger),  # it stands in for one
    )


def report(record: RunRecord) -> None:
    """Log and count that a run was submitted, is done, or has failed."""
    logger.info(
        record.state.lower(),
        extra={
            "batch": record.batch,
            "run": record.run,
            "attempt": record.attempt,
            "job_run_id": record.job_run_id,
            "images": record.images,
            "processed": record.processed,
            "rejected": record.rejected,
            "missing": record.missing,
            "reason": record.reason,
            "seconds": round(time() - record.opened_at, 1),
        },
    )
    if record.state == State.SUBMITTED:
        count("RunsSubmitted")
    if record.state == State.DONE:
        count("RunsDone")
        count("ImagesProcessed", record.processed or 0)
        count("ImagesRejected", record.rejected or 0)
        count("ImagesMissing", record.missing or 0)
    if record.state == State.FAILED:
        count("RunsFailed")
        count("UnbalancedReceipts", int(record.unbalanced))


def count(name: str, value: float = 1) -> None:
    """Add to a metric."""
    metrics.add_metric(name, MetricUnit.Count, value)
