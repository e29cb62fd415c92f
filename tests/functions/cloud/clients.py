"""boto3's clients for moto, with hooks: what is asked and answered is told to the current world."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from moto.core.models import botocore_stubber

from tests.functions.cloud.invocations import REGION
from tests.functions.cloud.world import World


@cache
def session() -> boto3.Session:
    """One for all worlds: loading the services' models takes longer than a test."""
    made = boto3.Session("testing", "testing", region_name=REGION)
    made.events.register_first("before-send", _before_send)
    made.events.register_first("before-send", _lose_answer)
    made.events.register("after-call", _after_call)
    made.events.register_first("before-send.emr-serverless", _answer_for_emr)
    return made


@cache
def client(service: str, **options: Any) -> Any:
    return session().client(service, **options)


class _Raw:
    """The body of an HTTP response."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


NOW: list[World] = []  # clients outlive worlds, and what hooks them is asked for the current one


_LOSING: set[str] = set()


@contextmanager
def losing(operation: str) -> Iterator[None]:
    """The next answer to an operation is lost after it has had its effect; boto3 asks again."""
    _LOSING.add(operation)
    yield
    assert operation not in _LOSING, "it was never asked for"


def _lose_answer(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
    operation = event_name.rpartition(".")[2]
    if operation not in _LOSING:
        return None
    _LOSING.remove(operation)
    botocore_stubber(event_name, request)
    return AWSResponse(request.url, 500, {}, _Raw(b""))


def _before_send(request: Any, **_: Any) -> None:
    if NOW:
        NOW[-1].note_request(request)


def _after_call(model: Any, http_response: Any, **_: Any) -> None:
    if NOW:
        NOW[-1].note_call(model.name, http_response.status_code)


def _answer_for_emr(request: Any, **_: Any) -> AWSResponse:
    path = request.url.split(".com", 1)[1].split("?")[0]
    told = NOW[-1].emr.answer(request.method, path, request.body or b"", {})
    headers = {"x-amzn-ErrorType": told.error} if told.error else {}
    body = json.dumps(told.body).encode()
    return AWSResponse(request.url, told.status, headers, _Raw(body))
