"""The local EMR Serverless: the client token, the queue, states and restarts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cloud.emr.jobs import Outcome
from local_cloud.emr.service import EmrServerless

ROLE = "arn:aws:iam::000000000000:role/job"


class Runner:
    """Runs until it is let go."""

    def __init__(self) -> None:
        self.go, self.ran, self.details = threading.Semaphore(0), [], ""  # type: ignore[var-annotated]

    def run(self, job: dict[str, Any]) -> Outcome:
        self.ran.append(job["name"])
        self.go.acquire()
        return Outcome(36.0, self.details)

    def stop(self, job_run_id: str) -> None:
        self.details = "stopped"
        self.go.release()


Service = Callable[[], EmrServerless]


@pytest.fixture
def changes() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def runner() -> Runner:
    return Runner()


@pytest.fixture
def emr(tmp_path: Path, runner: Runner, changes: list[tuple[str, str, str]]) -> EmrServerless:
    def note(job: dict[str, Any], before: str) -> None:
        changes.append((job["name"], before, job["state"]))

    service = EmrServerless(tmp_path / "emr.json", "000000000000", "eu-west-1", 2, runner, note)
    service.create_application("App", {"ReleaseLabel": "emr-spark-8.0.0", "Type": "Spark"}, "s")
    return service


def application(emr: EmrServerless) -> str:
    (found,) = emr.answer("GET", "/applications", b"", {}).body["applications"]
    return str(found["applicationId"])


def start(emr: EmrServerless, name: str, token: str) -> dict[str, Any]:
    body = {"name": name, "clientToken": token, "executionRoleArn": ROLE}
    path = f"/applications/{application(emr)}/jobruns"
    answer = emr.answer("POST", path, json.dumps(body).encode(), {})
    assert answer.status == 200
    return answer.body


def state(emr: EmrServerless, job: dict[str, Any]) -> str:
    path = f"/applications/{job['applicationId']}/jobruns/{job['jobRunId']}"
    return str(emr.answer("GET", path, b"", {}).body["jobRun"]["state"])


def wait_for(emr: EmrServerless, job: dict[str, Any], wanted: str) -> None:
    waiting = threading.Event()
    for _ in range(500):
        if state(emr, job) == wanted:
            return
        waiting.wait(0.01)
    raise AssertionError(f"{state(emr, job)}, not {wanted}")


def test_the_same_token_gives_the_same_job_even_one_that_failed(
    emr: EmrServerless, runner: Runner
) -> None:
    emr.start()
    runner.details = "exit code 1"
    first = start(emr, "a", "token")
    runner.go.release()
    wait_for(emr, first, "FAILED")
    assert start(emr, "a", "token")["jobRunId"] == first["jobRunId"]
    assert start(emr, "a", "another")["jobRunId"] != first["jobRunId"]


def test_jobs_run_one_at_a_time_in_the_order_they_came(
    emr: EmrServerless, runner: Runner, changes: list[tuple[str, str, str]]
) -> None:
    emr.start()
    one, two = start(emr, "one", "1"), start(emr, "two", "2")
    wait_for(emr, one, "RUNNING")
    assert state(emr, two) == "SUBMITTED"
    runner.go.release()
    wait_for(emr, two, "RUNNING")
    runner.go.release()
    wait_for(emr, two, "SUCCESS")
    assert runner.ran == ["one", "two"]
    assert [(b, s) for name, b, s in changes if name == "one"] == [
        ("SUBMITTED", "PENDING"), ("PENDING", "SCHEDULED"), ("SCHEDULED", "RUNNING"),
        ("RUNNING", "SUCCESS"),
    ]  # fmt: skip


def test_a_finished_job_says_what_it_would_be_billed(emr: EmrServerless, runner: Runner) -> None:
    emr.start()
    job = start(emr, "a", "1")
    runner.go.release()
    wait_for(emr, job, "SUCCESS")
    path = f"/applications/{job['applicationId']}/jobruns/{job['jobRunId']}"
    billed = emr.answer("GET", path, b"", {}).body["jobRun"]["billedResourceUtilization"]
    assert billed == {"vCPUHour": 0.02, "memoryGBHour": 0.04, "storageGBHour": 0.0}


def test_a_running_job_can_be_cancelled(emr: EmrServerless) -> None:
    emr.start()
    job = start(emr, "a", "1")
    wait_for(emr, job, "RUNNING")
    path = f"/applications/{job['applicationId']}/jobruns/{job['jobRunId']}"
    assert emr.answer("DELETE", path, b"", {}).status == 200
    assert state(emr, job) == "CANCELLED"


def test_jobs_are_listed_in_pages_and_by_state(emr: EmrServerless) -> None:
    for number in range(5):
        start(emr, str(number), str(number))
    path = f"/applications/{application(emr)}/jobruns"
    first = emr.answer("GET", path, b"", {"maxResults": ["3"]}).body
    rest = emr.answer("GET", path, b"", {"nextToken": [first["nextToken"]]}).body
    assert (len(first["jobRuns"]), len(rest["jobRuns"])) == (3, 2)
    assert emr.answer("GET", path, b"", {"states": ["RUNNING"]}).body["jobRuns"] == []


def test_a_job_that_was_cut_off_starts_again_after_a_restart(
    emr: EmrServerless, runner: Runner, tmp_path: Path
) -> None:
    emr.start()
    job = start(emr, "a", "1")
    wait_for(emr, job, "RUNNING")
    emr.stop()
    again, fresh = Runner(), tmp_path / "emr.json"
    revived = EmrServerless(fresh, "000000000000", "eu-west-1", 2, again, lambda job, before: None)
    revived.start()
    again.go.release()
    wait_for(revived, job, "SUCCESS")
    assert again.ran == ["a"]


PROPERTIES = {"ReleaseLabel": "emr-spark-8.0.0", "Type": "Spark",
              "AutoStopConfiguration": {"Enabled": True, "IdleTimeoutMinutes": 15}}  # fmt: skip


def app_state(emr: EmrServerless) -> str:
    path = f"/applications/{application(emr)}"
    return str(emr.answer("GET", path, b"", {}).body["application"]["state"])


def test_an_application_starts_with_its_job_and_stops_when_it_is_told(
    emr: EmrServerless, runner: Runner
) -> None:
    assert app_state(emr) == "CREATED"
    job = start(emr, "a", "1")
    assert app_state(emr) == "STARTING"
    emr.start()
    wait_for(emr, job, "RUNNING")
    assert app_state(emr) == "STARTED"
    stop = f"/applications/{application(emr)}/stop"
    assert emr.answer("POST", stop, b"", {}).error == "ValidationException"  # a job runs
    runner.go.release()
    wait_for(emr, job, "SUCCESS")
    assert emr.answer("POST", stop, b"", {}).status == 200
    assert app_state(emr) == "STOPPING"
    later(emr, seconds=2)
    assert app_state(emr) == "STOPPED"


def test_an_idle_application_stops_itself_after_its_minutes(
    emr: EmrServerless, runner: Runner
) -> None:
    emr.update_application(application(emr), {}, PROPERTIES, "s")
    emr.start()
    job = start(emr, "a", "1")
    runner.go.release()
    wait_for(emr, job, "SUCCESS")
    later(emr, seconds=14 * 60)
    assert app_state(emr) == "STARTED"
    later(emr, seconds=2 * 60)
    assert app_state(emr) == "STOPPED"


@pytest.mark.parametrize("state", ["STARTING", "STARTED", "STOPPING"])
def test_only_an_application_at_rest_is_changed_or_deleted(emr: EmrServerless, state: str) -> None:
    number = application(emr)
    emr._applications.all[number].update(state=state, updatedAt=time.time())
    words = rf"\[CREATED, STOPPED\]. Current status: {state}.*InvalidRequest"
    with pytest.raises(ValueError, match=words):
        emr.update_application(number, {}, PROPERTIES, "s")
    with pytest.raises(ValueError, match=words):
        emr.delete_application(number, {})
    emr._applications.all[number].update(state="STOPPED")
    emr.update_application(number, {}, PROPERTIES, "s")
    emr.delete_application(number, {})
    assert emr.answer("GET", "/applications", b"", {}).body["applications"] == []


def later(emr: EmrServerless, seconds: float) -> None:
    """Let so much time pass for the application."""
    emr._applications.all[application(emr)]["updatedAt"] -= seconds


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("/applications/none", {}, "ResourceNotFoundException"),
        ("/applications/APP/jobruns/none", {}, "ResourceNotFoundException"),
        ("/applications/APP/jobruns", {"clientToken": "x"}, "ValidationException"),
        ("/applications/APP/jobruns", {"executionRoleArn": ROLE}, "ValidationException"),
    ],
    ids=["application", "job", "role", "token"],
)
def test_bad_requests_are_refused(
    emr: EmrServerless, path: str, body: dict[str, str], error: str
) -> None:
    method = "POST" if body else "GET"
    asked = path.replace("APP", application(emr))
    assert emr.answer(method, asked, json.dumps(body).encode(), {}).error == error
