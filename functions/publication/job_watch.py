"""Watching the Spark job on EMR Serverless: how it stands, what it costs, why it failed."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.errors import ObjectNotFoundError
from functions.aws.bucket import Bucket

ENDED_BADLY = ("FAILED", "CANCELLED")
_WAITING = ("SUBMITTED", "QUEUED", "PENDING", "SCHEDULED")

# What EMR Serverless and Spark say, and what that means for who reads it.
_WORDS = (
    (r"MaximumCapacity|maximum capacity|ApplicationMaxCapacity|quota|ServiceQuota",
     "there is not enough capacity: raise the stack's MaximumVcpu or the account's quota"),
    (r"AccessDenied|Access Denied|not authorized|403",
     "the job may not read or write what it needs: check the job role and the bucket's policies"),
    (r"OutOfMemory|exit code 137|exitCode 137|Container killed",
     "the job ran out of memory: set ExecutorCores to 1, so that each image worker gets more"),
    (r"[Qq]ueue.*([Tt]imed out|[Tt]imeout)|([Tt]imed out|[Tt]imeout).*queue",
     "the application was kept busy by other jobs for too long: see what else runs on it"),
    (r"timed out|timeout|Timeout", "the job took longer than JobTimeoutMinutes"),
)  # fmt: skip


@dataclass(frozen=True)
class Billed:
    """What EMR Serverless bills for a job."""

    vcpu_hours: float = 0
    memory_gb_hours: float = 0
    storage_gb_hours: float = 0


@dataclass(frozen=True)
class JobRun:
    """A job as `GetJobRun` tells it; `billed` is None until the bill is made up."""

    state: str
    details: str
    billed: Billed | None

    @property
    def cancelled_by_somebody(self) -> bool:
        """Whether somebody wanted it to end; otherwise its time was over."""
        return self.state == "CANCELLED" and not _meaning(self.details)

    @property
    def waiting(self) -> bool:
        """Whether it has not started yet."""
        return self.state in _WAITING


@dataclass(frozen=True)
class JobWatch:
    """Looks at jobs and their logs. `emr` is a boto3 client; `logs` the bucket of `log_prefix`."""

    emr: Any
    application_id: str
    logs: Bucket
    log_prefix: str

    def look(self, job_run_id: str) -> JobRun:
        """The truth about a job, whatever events said. One that is gone counts as failed."""
        try:
            answer = self.emr.get_job_run(applicationId=self.application_id, jobRunId=job_run_id)
        except self.emr.exceptions.ResourceNotFoundException:
            return JobRun("FAILED", "EMR Serverless does not know this job any more", None)
        told = answer["jobRun"]
        return JobRun(
            told["state"],
            told.get("stateDetails", ""),
            _billed(told.get("billedResourceUtilization")),
        )

    def reason(self, job_run_id: str, details: str) -> str:
        """Why a job failed, in words for who dropped the images: its own last word if its log has
        one, else what the service says of it."""
        said = self.failures(job_run_id).get("", "")
        meaning = _meaning(details)
        status = re.search(r"exit ?[Cc]ode:? -?\d+", details)
        left = f" ({status[0]})" if status else ""
        return said or meaning or f"the job was ended before it could say why{left}: see its log"

    def why_cancelled(self, job: JobRun) -> str:
        """Why a job was cancelled, in words."""
        return _meaning(job.details) or "the job was cancelled"

    def log(self, job_run_id: str) -> str:
        """What the job and Spark wrote; '' before there is anything.

        Spark joins all that a Python driver writes into its own standard output.
        """
        jobs = f"{self.log_prefix}/applications/{self.application_id}/jobs/{job_run_id}"
        return "".join(
            self._unpacked(f"{jobs}/SPARK_DRIVER/{stream}.gz") for stream in ("stderr", "stdout")
        )

    def _unpacked(self, key: str) -> str:
        try:
            return gzip.decompress(self.logs.read(key)).decode(errors="replace")
        except (ObjectNotFoundError, OSError, EOFError):
            return ""

    def failures(self, job_run_id: str) -> dict[str, str]:
        """What the job itself said of what failed: by run, as `Run.in_ascii` names it, and under ''
        of all of it."""
        said: dict[str, str] = {}
        for line in self.log(job_run_id).splitlines():
            if '"outcome": "failed"' in line:
                try:
                    told = json.loads(line[line.index("{") :])
                    said[str(told.get("run_of", ""))] = str(told["message"])
                except (ValueError, KeyError):
                    continue
        return said


def _meaning(details: str) -> str:
    return next((words for pattern, words in _WORDS if re.search(pattern, details)), "")


def _billed(told: Mapping[str, float] | None) -> Billed | None:
    if not told:
        return None
    return Billed(
        told.get("vCPUHour", 0), told.get("memoryGBHour", 0), told.get("storageGBHour", 0)
    )
