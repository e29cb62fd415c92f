"""A job run, how it ended, and who runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

TERMINAL = ("SUCCESS", "FAILED", "CANCELLED")

Job = dict[str, Any]

OnChange = Callable[[Job, str], None]


@dataclass(frozen=True)
class Outcome:
    """How a job ended: `details` says why it failed (or, past its time limit, was cancelled); ''
    where it did not."""

    seconds: float
    details: str = ""
    timed_out: bool = False

    @property
    def state(self) -> str:
        """As EMR Serverless names it."""
        if self.timed_out:
            return "CANCELLED"
        return "FAILED" if self.details else "SUCCESS"


class JobRunner(Protocol):
    """Runs one job to its end, and can stop it."""

    def run(self, job: Job) -> Outcome:
        """Run the job; returns when it ended."""

    def stop(self, job_run_id: str) -> None:
        """End the job if it runs."""


def summary(job: Job) -> Job:
    """What `ListJobRuns` tells of it."""
    names = ("applicationId", "name", "arn", "createdBy", "createdAt", "updatedAt",
             "executionRole", "state", "stateDetails", "releaseLabel", "attempt")  # fmt: skip
    return {**{name: job[name] for name in names}, "id": job["jobRunId"], "type": "SPARK"}
