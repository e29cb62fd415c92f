"""The Spark application at rest: EMR Serverless changes and deletes it only then."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic, sleep
from typing import Any

import boto3
from botocore.exceptions import ClientError

from cli.deploying.cloudformation import resource
from cli.deploying.endpoint import is_on_this_machine
from cli.terminal.say import say
from darkroom.errors import DarkroomError, UsageError

TYPE = "AWS::EMRServerless::Application"
_LOGICAL_ID = "SparkApplication"
_AT_REST = ("CREATED", "STOPPED", "TERMINATED")
_UNDER_WAY = ("SUBMITTED", "QUEUED", "PENDING", "SCHEDULED", "RUNNING", "CANCELLING")
_PATIENCE_SECONDS = 15 * 60.0


def bring_to_rest(stack: str, stop_jobs: bool) -> None:
    """Stop the stack's application, and wait; it starts itself again with the next job.

    With `stop_jobs` jobs that run are cancelled. Raises `UsageError` where one runs without.
    """
    number = resource(stack, _LOGICAL_ID)
    if not number:
        return
    emr: Any = boto3.client("emr-serverless")
    may_have_changed = emr.exceptions.ValidationException  # since it was looked at: look again
    deadline = monotonic() + _PATIENCE_SECONDS
    while (state := _state(emr, number)) not in _AT_REST:
        jobs = _jobs_under_way(emr, number)
        if jobs and not stop_jobs:
            raise UsageError(_busy(len(jobs)))
        for job in (one for one, its in jobs.items() if its != "CANCELLING"):
            with suppress(may_have_changed):
                emr.cancel_job_run(applicationId=number, jobRunId=job)
        if not jobs and state == "STARTED":
            say("stopping the Spark application (it starts itself again with the next job)")
            with suppress(may_have_changed):
                emr.stop_application(applicationId=number)
        if monotonic() > deadline:
            raise DarkroomError(f"the Spark application does not come to rest: it is {state}")
        sleep(0.2 if is_on_this_machine() else 5)


def _state(emr: Any, number: str) -> str:
    try:
        return str(emr.get_application(applicationId=number)["application"]["state"])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return "TERMINATED"
        raise UsageError(f"the Spark application cannot be looked at: {error}") from error


def _jobs_under_way(emr: Any, number: str) -> dict[str, str]:
    """The state of each."""
    pages = emr.get_paginator("list_job_runs").paginate(
        applicationId=number, states=list(_UNDER_WAY)
    )
    return {job["id"]: job["state"] for page in pages for job in page["jobRuns"]}


def _busy(jobs: int) -> str:
    which = "a Spark job is" if jobs == 1 else f"{jobs} Spark jobs are"
    return (
        f"{which} under way, and EMR Serverless changes and deletes an application only while it "
        "is stopped. Wait until `darkroom status` shows nothing under way; or --stop-jobs cancels "
        "what runs (its runs fail, and `darkroom retry` works them again)"
    )
