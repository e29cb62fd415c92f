"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from chalice.app import ChaliceUnhandledError


class ProblemError(ChaliceUnhandledError):  # another would become a 500 before we see it
    """A request that cannot be answered, with what its sender can do about it."""

    def __init__(self, status: HTTPStatus, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers = {"Content-Type": "application/problem+json", **headers}

    @property
    def document(self) -> dict[str, Any]:
        """The body."""
        return {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": self.detail,
        }


def not_found(detail: str) -> ProblemError:
    """What was asked for is not there."""
    return ProblemError(HTTPStatus.NOT_FOUND, detail)


def bad_request(detail: str) -> ProblemError:
    """What was sent cannot be understood."""
    return ProblemError(HTTPStatus.BAD_REQUEST, detail)
