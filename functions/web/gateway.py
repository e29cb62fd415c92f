"""Between API Gateway's events (HTTP API, payload format 2.0) and Chalice, which reads those of a
REST API. Source of the format: API Gateway's developer guide, "Working with AWS Lambda proxy
integrations for HTTP APIs"."""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from functions.web.problems import ProblemError, bad_request

PROGRAMS = "/programs"  # the same routes, for callers that IAM knows
PUBLIC = ("/", "/page/{file}", "/config.json")  # what signs people in, and knows nothing of images
_WORTH_PACKING = 1024  # bytes
_MOST_BYTES = 5_500_000  # Lambda takes 6 MB, envelope and escapes included


def rest_event(event: Mapping[str, Any], routes: Iterable[str]) -> dict[str, Any]:
    """The event as Chalice wants it. A path that no route matches stays as it is, and so does
    Chalice's refusal."""
    http = event["requestContext"]["http"]
    path = event["rawPath"].removeprefix(PROGRAMS).rstrip("/") or "/"
    resource, parameters = _match(path, routes)
    query = parse_qs(event.get("rawQueryString", ""), keep_blank_values=True)
    return {
        "path": path,
        "headers": dict(event.get("headers", {})),
        "multiValueQueryStringParameters": query or None,
        "body": event.get("body"),
        "isBase64Encoded": event.get("isBase64Encoded", False),
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": http["method"],
            "resourcePath": resource,
            "identity": {},
        },
    }


def _match(path: str, routes: Iterable[str]) -> tuple[str, dict[str, str]]:
    for route in sorted(routes, key=lambda route: route.count("{")):
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(route))
        found = re.fullmatch(pattern, path)
        if found:
            return route, found.groupdict()
    return path, {}


def caller(event: Mapping[str, Any]) -> str | None:
    """Who API Gateway has let in: the subject of a sign-in, or an IAM principal; None for nobody.

    A request is only as good as its route: a sign-in counts on the page's routes, IAM on the
    programs'.
    """
    authorizer = event["requestContext"].get("authorizer")
    if event["rawPath"].startswith(f"{PROGRAMS}/"):
        return _named(authorizer, "iam", "userArn")
    return _named(authorizer, "jwt", "claims", "sub")


def _named(told: object, *names: str) -> str | None:
    """What is told under these names, one within the other; None for anything but a text."""
    for name in names:
        told = told.get(name) if isinstance(told, Mapping) else None
    return told if isinstance(told, str) and told else None


def unless_known(answer: dict[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """The answer with its ETag; without its body where the caller has it already."""
    if answer["statusCode"] != HTTPStatus.OK:
        return answer
    digest = sha256((answer.get("body") or "").encode()).hexdigest()
    headers = {"ETag": f'"{digest[:32]}"', **answer["headers"]}
    if _sent(event).get("if-none-match") == headers["ETag"]:
        return {
            **answer,
            "statusCode": int(HTTPStatus.NOT_MODIFIED),
            "headers": headers,
            "body": "",
        }
    return {**answer, "headers": headers}


def packed(answer: dict[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """The answer, compressed where the caller takes that: an answer may have 6 MB."""
    body = answer.get("body") or ""
    if "gzip" not in _sent(event).get("accept-encoding", "") or len(body) < _WORTH_PACKING:
        if len(body) > _MOST_BYTES:
            raise ProblemError(HTTPStatus.NOT_ACCEPTABLE, "too long: send `Accept-Encoding: gzip`")
        return answer
    data = gzip.compress(body.encode(), compresslevel=5, mtime=0)
    headers = {**answer["headers"], "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    encoded = b64encode(data).decode()
    if len(encoded) > _MOST_BYTES:
        raise bad_request("too much for one answer: ask for less")
    return {**answer, "headers": headers, "body": encoded, "isBase64Encoded": True}


def _sent(event: Mapping[str, Any]) -> dict[str, str]:
    """The request's headers, by their names in small letters."""
    return {name.lower(): value for name, value in event.get("headers", {}).items()}
