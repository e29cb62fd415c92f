"""Job events and wake-up calls to catalogued, exported, finished runs."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from darkroom.layout import ERASURES
from functions.aws.bucket import Bucket
from functions.aws.observability import count, logger, message_processor, metrics, tracer
from functions.aws.region import eu_only
from functions.aws.settings import CatalogSettings, read_settings
from functions.erasure.dead_letters import UploadDeadLetters
from functions.erasure.right_of_way import Erasures
from functions.erasure.signing import KmsSigner
from functions.erasure.steps import ErasureCompletion
from functions.publication.csv_writer import CsvWriter
from functions.publication.glue_catalog import GlueCatalog
from functions.publication.job_watch import JobWatch
from functions.publication.notifier import Notifier
from functions.publication.prices import Prices
from functions.publication.steps import Completion
from functions.runs.queues import WorkQueues, job_in, work_in
from functions.runs.records import FINISHED
from functions.runs.reporting import report
from functions.runs.state_machine import Station, advance
from functions.runs.table import RunTable

_MARGIN_MILLISECONDS = 60_000

processor = message_processor()


@cache
def completion() -> Completion:
    """Built once per process."""
    settings = read_settings(CatalogSettings, os.environ)
    s3, emr = boto3.client("s3"), boto3.client("emr-serverless")
    results, logs = Bucket(s3, settings.results_bucket), urlsplit(settings.log_uri)
    return Completion(
        runs=RunTable(boto3.resource("dynamodb").Table(settings.table)),
        queues=WorkQueues(
            boto3.client("sqs"),
            settings.submit_queue_url,
            settings.catalog_queue_url,
            small_url=settings.small_queue_url,
        ),
        jobs=JobWatch(emr, settings.application_id, Bucket(s3, logs.netloc), logs.path.strip("/")),
        catalog=GlueCatalog(boto3.client("glue"), settings.glue_database, results.uri),
        csv=CsvWriter(results, settings.csv_byte_order_mark == "on"),
        notifier=Notifier(boto3.client("sns"), settings.topic_arn, results.uri),
        prices=Prices(
            settings.price_vcpu_hour,
            settings.price_gb_hour,
            settings.price_storage_gb_hour,
            settings.price_function_gb_second,
            settings.currency,
        ),
        out_of_time=lambda: False,
        report=report,
    )


@cache
def erasures() -> Erasures:
    """Built once per process."""
    return Erasures(completion().runs, completion().queues)


def erasure_completion(runs: Completion) -> ErasureCompletion:
    """The steps of erasures, on top of those of runs."""
    settings = read_settings(CatalogSettings, os.environ)
    return ErasureCompletion(
        runs,
        erasures(),
        UploadDeadLetters(boto3.client("sqs"), settings.upload_dead_letters_url),
        KmsSigner(boto3.client("kms"), settings.signing_key),
    )


@tracer.capture_method(capture_response=False)
def look_at(record: SQSRecord, lambda_context: LambdaContext) -> None:
    """Advance the run that a message names, or whose job an event tells of."""

    def out_of_time() -> bool:
        return lambda_context.get_remaining_time_in_millis() < _MARGIN_MILLISECONDS

    steps = replace(completion(), out_of_time=out_of_time)
    job = job_in(record.body)
    run = steps.runs.of_job(job) if job else work_in(record.body).run
    if run is None:
        logger.info("a job of no unfinished run", extra={"job_run_id": job})
        erasures().release()  # it may be an erasure's, cut off before it did
        return
    erasing = erasure_completion(steps)
    station = Station(
        steps.runs, steps.queues, steps.steps, erasing.steps, steps.end.steps, steps.fail
    )
    left = advance(run, station)
    if run.batch == ERASURES:
        if left is not None and left.state in FINISHED:
            erasures().release()
    elif left is None or left.state in FINISHED:
        erasures().wake()


@eu_only
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Look at the runs that the messages tell of; those that failed come again."""
    count("Messages", len(event["Records"]))
    return process_partial_response(event, look_at, processor, context)
