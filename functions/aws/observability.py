"""Logs, metrics and traces. One log line per outcome: ids, counts and durations, no raw events."""

from __future__ import annotations

import logging
from typing import cast

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType

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


def count(name: str, value: float = 1) -> None:
    """Add to a metric."""
    metrics.add_metric(name, MetricUnit.Count, value)
