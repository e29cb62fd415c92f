"""The address of the page and the API on this machine: HTTP on loopback to the deployed function.

It stands where API Gateway stands in AWS. Whoever reaches it is this machine's user, so it makes
sure of that: other host names (which a page elsewhere could let point here) and requests that
other sites' pages send are refused. Each request that the function answers at the same time takes a
process of it, so few are let in at once; others wait in line, and are told to come again where the
line is long.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

_USER = {"sub": "this-machine"}
_PROGRAM = {"userArn": "arn:aws:iam::000000000000:user/this-machine"}
_MOST_BYTES = 6 * 1024 * 1024  # as Lambda takes
_PREFERRED = "darkroom-api"
_MOST_CONNECTIONS = 256
_SILENT_SECONDS = 20.0  # of a connection that says nothing, be it in the middle of a request
_LONGEST_SECONDS = 60.0  # of a request that comes byte by byte


@dataclass(frozen=True)
class Line:
    """How many requests are answered at once, how many may wait for that, and for how long."""

    at_once: int = 4
    waiting: int = 60
    seconds: float = 20.0


class FrontDoor:
    """Serves on 127.0.0.1; any free port where 0 is given. `functions` is a boto3 client of Lambda;
    the function is looked for unless it is named."""

    def __init__(self, port: int, functions: Any, name: str = "", line: Line | None = None) -> None:
        self._functions, self._name = functions, name
        self._line = line or Line()
        self._inside = threading.Semaphore(self._line.at_once)
        self._in_line = threading.Semaphore(self._line.at_once + self._line.waiting)
        door = self

        class Handler(_Handler):
            front_door = door

        self._server = _Server(("127.0.0.1", port), Handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        """What a browser has to call it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve from a thread of its own."""
        serve = self._server.serve_forever
        threading.Thread(target=serve, name="front-door", daemon=True).start()

    def stop(self) -> None:
        """Serve no longer."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The function's answer to an event of API Gateway; 503 where too many ask."""
        with self._let_in() as inside:
            return self._invoke(event) if inside else _too_many()

    @contextmanager
    def _let_in(self) -> Iterator[bool]:
        if not self._in_line.acquire(blocking=False):
            yield False
            return
        try:
            inside = self._inside.acquire(timeout=self._line.seconds)
            try:
                yield inside
            finally:
                if inside:
                    self._inside.release()
        finally:
            self._in_line.release()

    def _invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            told = self._functions.invoke(FunctionName=self._function(), Payload=json.dumps(event))
        except (ClientError, BotoCoreError, LookupError):
            self._name = ""
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "no stack is deployed here (yet)")
        answer = json.loads(told["Payload"].read())
        if "FunctionError" in told or "statusCode" not in answer:
            return problem(HTTPStatus.BAD_GATEWAY, "the function failed: `darkroom local logs`")
        return dict(answer)

    def _function(self) -> str:
        if not self._name:
            pages = self._functions.get_paginator("list_functions").paginate()
            names = [f["FunctionName"] for page in pages for f in page["Functions"]]
            apis = [name for name in sorted(names) if name.endswith("-api")]
            self._name = _PREFERRED if _PREFERRED in apis else apis[0]
        return self._name


def problem(status: HTTPStatus, detail: str) -> dict[str, Any]:
    """An answer that says what is wrong."""
    told = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    headers = {"Content-Type": "application/problem+json"}
    return {"statusCode": int(status), "headers": headers, "body": json.dumps(told)}


def _too_many() -> dict[str, Any]:
    answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once: try again")
    return {**answer, "headers": {**answer["headers"], "Retry-After": "2"}}


class _Server(ThreadingHTTPServer):
    """Takes so many connections, and lets others wait until one ends."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._free = threading.Semaphore(_MOST_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._free.acquire()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of our troubles."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def event_of(method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """A request as API Gateway hands it to a function (HTTP API, payload format 2.0)."""
    parts = urlsplit(target)
    path = unquote(parts.path)
    program = path.startswith("/programs/")
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": parts.query,
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": {
            "requestId": str(uuid4()),
            "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                     "sourceIp": "127.0.0.1", "userAgent": ""},
            "authorizer": {"iam": _PROGRAM} if program else {"jwt": {"claims": _USER}},
        },
        "body": body.decode("utf-8", "replace") if body else None,
        "isBase64Encoded": False,
    }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    front_door: FrontDoor
    protocol_version = "HTTP/1.1"
    timeout = _SILENT_SECONDS

    def handle_one_request(self) -> None:
        """One request; cut off where it takes too long to come."""
        self._deadline = threading.Timer(_LONGEST_SECONDS, self._cut_off)
        self._deadline.daemon = True
        self._deadline.start()
        try:
            super().handle_one_request()
        finally:
            self._deadline.cancel()

    def _cut_off(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = do_GET  # noqa: N815

    def _serve(self) -> None:
        refusal = self._refusal() or self._malformed()
        if refusal is not None:
            self.close_connection = True
            self._write(refusal)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._deadline.cancel()  # it is there: the answer may take its time
        event = event_of(self.command, self.path, dict(self.headers), body)
        self._write(self.front_door.answer(event))

    def _refusal(self) -> dict[str, Any] | None:
        ours, host = self.front_door.host, self.headers.get("Host", "")
        if not self.path.startswith("/"):
            return problem(HTTPStatus.BAD_REQUEST, "ask for a path")
        if host == f"localhost:{self.front_door.port}":
            there = {"Location": f"http://{ours}{self.path}"}
            return {"statusCode": int(HTTPStatus.PERMANENT_REDIRECT), "headers": there, "body": ""}
        if host != ours:
            return problem(HTTPStatus.MISDIRECTED_REQUEST, f"open http://{ours}/")
        if self.headers.get("Origin", f"http://{ours}") != f"http://{ours}":
            return problem(HTTPStatus.FORBIDDEN, "other sites may not ask here")
        is_page = self.path.partition("?")[0] == "/"
        if self.headers.get("Sec-Fetch-Site") == "cross-site" and not is_page:
            return problem(HTTPStatus.FORBIDDEN, "other sites may not ask here")
        return None

    def _malformed(self) -> dict[str, Any] | None:
        """A body whose end is not plain would be taken for the next request."""
        length = self.headers.get("Content-Length") or "0"
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            return problem(HTTPStatus.LENGTH_REQUIRED, "say how long the body is")
        if int(length) > _MOST_BYTES:
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "send less at a time")
        return None

    def _write(self, answer: Mapping[str, Any]) -> None:
        """Status, headers and body in one go: apart, TCP would hold the second back."""
        body = answer.get("body") or ""
        data = b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        status = int(answer["statusCode"])
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in answer.get("headers", {}).items()]
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.wfile.write(head if self.command == "HEAD" else head + data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Addresses name images: they are not logged."""
