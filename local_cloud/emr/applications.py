"""Applications of EMR Serverless, in the states that AWS gives them.

One starts itself with its first job and stops itself when it has been idle for long. It can be
changed and deleted only while it is CREATED or STOPPED. Source: "Application states" and "Starting
and stopping applications" (EMR Serverless user guide and API reference), CloudFormation's events.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Application = dict[str, Any]

_STOPPING_SECONDS = 1.0
_AT_REST = ("CREATED", "STOPPED")
_CONFIGURATIONS = {
    "MaximumCapacity": "maximumCapacity",
    "SchedulerConfiguration": "schedulerConfiguration",
    "AutoStartConfiguration": "autoStartConfiguration",
    "AutoStopConfiguration": "autoStopConfiguration",
}
_IDLE_MINUTES = 15  # where the application does not say


class RefusedError(Exception):
    """What AWS refuses with a ValidationException."""


@dataclass
class Applications:
    """The applications of an account. Times are in seconds since 1970."""

    region: str
    account: str
    all: dict[str, Application] = field(default_factory=dict)

    def create(self, logical_id: str, properties: Mapping[str, Any]) -> Application:
        """A new one, from the properties that a template gives it."""
        number, now = f"00{uuid.uuid4().hex[:14]}", time.time()
        self.all[number] = {
            "applicationId": number,
            "id": number,
            "name": properties.get("Name", logical_id),
            "arn": f"arn:aws:emr-serverless:{self.region}:{self.account}:/applications/{number}",
            "type": properties["Type"],
            "state": "CREATED",
            "createdAt": now,
            "updatedAt": now,
            **_configured(properties),
        }
        return self.all[number]

    def change(self, number: str, properties: Mapping[str, Any], is_busy: bool) -> Application:
        """Configure it anew. Raises `RefusedError` where it is not at rest."""
        application = self.all[number]
        self._require_rest(application, is_busy)
        application.update(_configured(properties), updatedAt=time.time())
        return application

    def remove(self, number: str, is_busy: bool) -> None:
        """Delete it, if it is there. Raises `RefusedError` where it is not at rest."""
        if number in self.all:
            self._require_rest(self.all[number], is_busy)
            del self.all[number]

    def stop(self, number: str, is_busy: bool) -> None:
        """As `StopApplication`. Raises `RefusedError` while a job is under way."""
        application = self.seen(number, is_busy)
        if is_busy:
            raise RefusedError(
                f"Application {number} has scheduled or running jobs: they must be completed or "
                "cancelled before it can be stopped"
            )
        if application["state"] in ("STARTING", "STARTED"):
            self._become(application, "STOPPING")

    def start(self, number: str) -> None:
        """As `StartApplication`, and as a job starts it; `started` ends it."""
        if self.all[number]["state"] != "STARTED":
            self._become(self.all[number], "STARTING")

    def started(self, number: str) -> None:
        """It has what it needs to work."""
        self._become(self.all[number], "STARTED")

    def require_job(self, number: str, is_busy: bool) -> None:
        """Raises `RefusedError` where a job would find no started application."""
        application = self.seen(number, is_busy)
        starts = application.get("autoStartConfiguration", {}).get("enabled", True)
        if application["state"] != "STARTED" and not starts:
            raise RefusedError(f"Application {number} must be started: it does not start itself")

    def worked(self, number: str) -> None:
        """A job ended: it is idle from now on."""
        if number in self.all:
            self.all[number]["updatedAt"] = time.time()

    def seen(self, number: str, is_busy: bool) -> Application:
        """It as it is now: stopped, where it was idle for long or was told to stop."""
        application = self.all[number]
        passed = time.time() - application["updatedAt"]
        if application["state"] == "STOPPING" and passed > _STOPPING_SECONDS:
            self._become(application, "STOPPED")
        stops = application.get("autoStopConfiguration", {})
        minutes = float(stops.get("idleTimeoutMinutes", _IDLE_MINUTES))
        idles = stops.get("enabled", True) and not is_busy and passed > minutes * 60
        if application["state"] == "STARTED" and idles:
            self._become(application, "STOPPED")
        return application

    def _require_rest(self, application: Application, is_busy: bool) -> None:
        number = application["applicationId"]
        if (state := self.seen(number, is_busy)["state"]) not in _AT_REST:
            raise RefusedError(
                f"Application {number} must be in one of the following statuses "
                f"[{', '.join(_AT_REST)}]. Current status: {state}"
            )

    def _become(self, application: Application, state: str) -> None:
        application.update(state=state, updatedAt=time.time())


def _configured(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Of a template's properties those that can be changed, in the words of the API."""
    stated = {
        ours: {_first_lower(name): value for name, value in properties[theirs].items()}
        for theirs, ours in _CONFIGURATIONS.items()
        if theirs in properties
    }
    for switched in ("autoStartConfiguration", "autoStopConfiguration"):
        if "enabled" in stated.get(switched, {}):
            stated[switched]["enabled"] = str(stated[switched]["enabled"]).lower() == "true"
    return {
        **stated,
        "releaseLabel": properties["ReleaseLabel"],
        "architecture": properties.get("Architecture", "X86_64"),
    }


def _first_lower(name: str) -> str:
    return name[:1].lower() + name[1:]
