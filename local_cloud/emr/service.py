"""EMR Serverless on one machine: applications and job runs, one job at a time.

The wire format is EMR Serverless' REST-JSON. State is a JSON file, so that it outlives the process;
a job that was cut off by the end of the process starts again from its beginning.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from local_cloud.emr.applications import Application, Applications, RefusedError
from local_cloud.emr.jobs import TERMINAL, Job, JobRunner, OnChange, Outcome, summary


@dataclass(frozen=True)
class Answer:
    """An HTTP response, before it is encoded."""

    status: int
    body: dict[str, Any]
    error: str = ""


@dataclass
class EmrServerless:
    """The service. `on_change` is told of each state change, with the state before."""

    file: Path
    account: str
    region: str
    cores: int
    runner: JobRunner
    on_change: OnChange
    _applications: Applications = field(init=False)
    _jobs: dict[str, Job] = field(default_factory=dict)
    _stopping: bool = False
    _lock: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._applications = Applications(self.region, self.account)

    def stop(self) -> None:
        """Before the end of the process: jobs under way start again the next time."""
        with self._lock:
            self._stopping = True
        for job in self._jobs.values():
            self.runner.stop(job["jobRunId"])

    def start(self) -> None:
        """Load what an earlier process left, and work off jobs in the order they came."""
        if self.file.is_file():
            state = json.loads(self.file.read_text())
            self._applications.all, self._jobs = state["applications"], state["jobs"]
        for job in self._jobs.values():
            if job["state"] not in TERMINAL:
                job["state"] = "SUBMITTED"
                self._applications.start(job["applicationId"])
        threading.Thread(target=self._work, name="emr-serverless", daemon=True).start()

    # ------------------------------------------------------------ the REST interface

    def answer(self, method: str, path: str, body: bytes, query: dict[str, Any]) -> Answer:
        """One request."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if len(parts) == 1:
            return Answer(200, {"applications": [self._seen(n) for n in [*self._applications.all]]})
        if parts[1] not in self._applications.all:
            return _not_found(f"Application {parts[1]} does not exist")
        application = self._seen(parts[1])
        if len(parts) == 2:
            return Answer(200, {"application": application})
        if len(parts) == 3 and parts[2] in ("start", "stop"):
            return self._switch(parts[1], parts[2])
        if len(parts) == 3 and method == "POST":
            return self._start_job(application, json.loads(body or b"{}"))
        if len(parts) == 3:
            return self._list_jobs(application, query)
        return self._about_job(method, parts)

    def _seen(self, number: str) -> Application:
        return self._applications.seen(number, self._is_busy(number))

    def _is_busy(self, number: str) -> bool:
        """Whether a job of the application is under way."""
        return any(
            job["state"] not in TERMINAL
            for job in [*self._jobs.values()]
            if job["applicationId"] == number
        )

    def _switch(self, number: str, how: str) -> Answer:
        with self._lock:
            try:
                if how == "start":
                    self._applications.start(number)
                    self._applications.started(number)
                else:
                    self._applications.stop(number, self._is_busy(number))
            except RefusedError as refused:
                return Answer(400, {"message": str(refused)}, "ValidationException")
            self._save()
        return Answer(200, {})

    def _about_job(self, method: str, parts: list[str]) -> Answer:
        job = self._jobs.get(parts[3])
        if job is None or job["applicationId"] != parts[1]:
            return _not_found(f"JobRun {parts[3]} does not exist")
        if len(parts) == 5:
            return Answer(200, {"jobRunAttempts": [summary(job)]})
        if method == "DELETE":
            self._cancel(job)
            return Answer(200, {"applicationId": parts[1], "jobRunId": parts[3]})
        return Answer(200, {"jobRun": job})

    def _start_job(self, application: Application, asked: dict[str, Any]) -> Answer:
        number = application["applicationId"]
        missing = [name for name in ("clientToken", "executionRoleArn") if not asked.get(name)]
        if missing:
            return Answer(400, {"message": f"{missing[0]} is required"}, "ValidationException")
        with self._lock:
            job = self._by_token(application, asked["clientToken"])
            if job is None:
                try:
                    self._applications.require_job(number, self._is_busy(number))
                except RefusedError as refused:
                    return Answer(400, {"message": str(refused)}, "ValidationException")
                job = self._new_job(application, asked)
                self._jobs[job["jobRunId"]] = job
                self._applications.start(number)
                self._save()
                self._lock.notify_all()
        return Answer(200, {name: job[name] for name in ("applicationId", "jobRunId", "arn")})

    def _by_token(self, application: Application, token: str) -> Job | None:
        """The job that was started with the same token, even if it failed."""
        of_application = (
            job
            for job in self._jobs.values()
            if job["applicationId"] == application["applicationId"]
        )
        return next((job for job in of_application if job["clientToken"] == token), None)

    def _new_job(self, application: Application, asked: dict[str, Any]) -> Job:
        now, number = time.time(), f"00{uuid.uuid4().hex[:14]}"
        return {
            **{name: asked.get(name, "") for name in ("name", "clientToken")},
            **{
                name: asked.get(name, {})
                for name in ("jobDriver", "configurationOverrides", "tags")
            },
            "applicationId": application["applicationId"],
            "jobRunId": number,
            "arn": f"{application['arn']}/jobruns/{number}",
            "createdBy": asked["executionRoleArn"],
            "executionRole": asked["executionRoleArn"],
            "executionTimeoutMinutes": asked.get("executionTimeoutMinutes", 720),
            "releaseLabel": application["releaseLabel"],
            "state": "SUBMITTED",
            "stateDetails": "",
            "createdAt": now,
            "updatedAt": now,
            "attempt": 1,
        }

    def _list_jobs(self, application: Application, query: dict[str, Any]) -> Answer:
        wanted = query.get("states", [])
        wanted = wanted if isinstance(wanted, list) else [wanted]
        jobs = [
            summary(job)
            for job in sorted(self._jobs.values(), key=lambda job: -job["createdAt"])
            if job["applicationId"] == application["applicationId"]
            and (not wanted or job["state"] in wanted)
        ]
        size, start = int(_one(query, "maxResults", "50")), int(_one(query, "nextToken", "0"))
        more = {"nextToken": str(start + size)} if start + size < len(jobs) else {}
        return Answer(200, {"jobRuns": jobs[start : start + size], **more})

    def _cancel(self, job: Job) -> None:
        self._change(job, "CANCELLED")
        self.runner.stop(job["jobRunId"])

    # ------------------------------------------------------------ CloudFormation

    def create_application(
        self, logical_id: str, properties: dict[str, Any], stack: str
    ) -> tuple[str, dict[str, str]]:
        """The resource handler: physical id and attributes."""
        with self._lock:
            made = self._applications.create(logical_id, properties)
            self._save()
        return made["applicationId"], _attributes(made)

    def update_application(
        self, physical_id: str, before: dict[str, Any], properties: dict[str, Any], stack: str
    ) -> tuple[str, dict[str, str]]:
        """The resource handler. Raises `ValueError` where AWS refuses."""
        with self._lock, _as_cloudformation_says():
            changed = self._applications.change(physical_id, properties, self._is_busy(physical_id))
            self._save()
        return physical_id, _attributes(changed)

    def delete_application(self, physical_id: str, properties: dict[str, Any]) -> None:
        """The resource handler. Raises `ValueError` where AWS refuses."""
        with self._lock, _as_cloudformation_says():
            self._applications.remove(physical_id, self._is_busy(physical_id))
            self._save()

    # ------------------------------------------------------------ working off jobs

    def _work(self) -> None:
        while True:
            with self._lock:
                while (job := self._next()) is None:
                    self._lock.wait()
            self._applications.started(job["applicationId"])
            for state in ("PENDING", "SCHEDULED", "RUNNING"):
                self._change(job, state)
            try:
                outcome = self.runner.run(job)
            except Exception as error:  # whatever went wrong, the queue goes on
                outcome = Outcome(0, f"the local cloud could not run the job: {error!r}")
            self._bill(job, outcome.seconds)
            self._applications.worked(job["applicationId"])
            self._change(job, outcome.state, outcome.details)

    def _next(self) -> Job | None:
        waiting = [job for job in self._jobs.values() if job["state"] == "SUBMITTED"]
        return min(waiting, key=lambda job: float(job["createdAt"]), default=None)

    def _change(self, job: Job, state: str, details: str = "") -> None:
        with self._lock:
            if self._stopping or job["state"] in TERMINAL:
                return
            before = job["state"]
            job.update(state=state, stateDetails=details, updatedAt=time.time())
            self._save()
        self.on_change(job, before)

    def _bill(self, job: Job, seconds: float) -> None:
        """As if this machine's cores were workers, with 2 GB for each core."""
        hours = round(seconds / 3600, 6)
        job["totalExecutionDurationSeconds"] = round(seconds)
        job["billedResourceUtilization"] = {
            "vCPUHour": self.cores * hours,
            "memoryGBHour": 2 * self.cores * hours,
            "storageGBHour": 0.0,
        }

    def _save(self) -> None:
        state = {"applications": self._applications.all, "jobs": self._jobs}
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(state))
        partial.replace(self.file)


def _attributes(application: Application) -> dict[str, str]:
    return {"Arn": application["arn"], "ApplicationId": application["applicationId"]}


@contextmanager
def _as_cloudformation_says() -> Iterator[None]:
    """What EMR Serverless refuses, in the words of CloudFormation's events."""
    try:
        yield
    except RefusedError as refused:
        raise ValueError(
            f'Resource handler returned message: "{refused} (Service: EmrServerless, Status Code: '
            '400)" (HandlerErrorCode: InvalidRequest)'
        ) from refused


def _not_found(message: str) -> Answer:
    return Answer(404, {"message": message}, "ResourceNotFoundException")


def _one(query: dict[str, Any], name: str, default: str) -> str:
    value = query.get(name, default)
    return str(value[0] if isinstance(value, list) else value)
