"""Requests and answers as ASGI has them: messages, and ways to stand between them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from local_cloud.access.signatures import Refusal, Request

Message = MutableMapping[str, Any]

Scope = MutableMapping[str, Any]

Receive = Callable[[], Awaitable[Message]]

Send = Callable[[Message], Awaitable[None]]

App = Callable[[Scope, Receive, Send], Awaitable[None]]

_REST_JSON = ("lambda", "emr-serverless", "execute-api")


def request_of(scope: Scope) -> Request:
    """A request, before its body."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    query = scope.get("query_string", b"").decode("utf-8", "replace")
    return Request(
        method=scope["method"],
        path=scope["path"],
        raw_path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        query=parse_qs(query, keep_blank_values=True),
        headers=headers,
    )


@dataclass
class Chunks:
    """A request's body, piece by piece. All raise `Refusal` where it breaks off."""

    receive: Receive
    _ended: bool = False

    async def next(self) -> bytes:
        """The next piece; b'' at the end."""
        while not self._ended:
            message = await self.receive()
            if message["type"] != "http.request":
                raise Refusal(HTTPStatus.BAD_REQUEST, "IncompleteBody", "the request broke off")
            self._ended = not message.get("more_body", False)
            if body := message.get("body", b""):
                return bytes(body)
        return b""

    async def rest(self, most: int | None = None) -> bytes:
        """All that is still to come, at most so many bytes."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.next():
            pieces.append(piece)
            size += len(piece)
            if most is not None and size > most:
                raise Refusal(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "EntityTooLarge", f"{most} bytes at most"
                )
        return b"".join(pieces)


async def read_body(receive: Receive, most: int | None = None) -> bytes:
    """All of a request's body, at most so many bytes. Raises `Refusal`."""
    return await Chunks(receive).rest(most)


def replayed(body: bytes, receive: Receive) -> Receive:
    """What was read already, once; then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def with_headers(send: Send, ours: Mapping[str, str]) -> Send:
    """Answers with our cross-origin headers instead of ministack's, which let everybody in."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", [])
                    if not pair[0].lower().startswith(b"access-control-")]  # fmt: skip
            message = {**message, "headers": [*kept, *_encoded(ours)]}
        await send(message)

    return sending


def hiding(send: Send, may_know: Callable[[], bool]) -> Send:
    """As S3 answers: who may not list a bucket is denied access to what is not in it."""
    hidden = False

    async def sending(message: Message) -> None:
        nonlocal hidden
        started = message["type"] == "http.response.start"
        if started and message["status"] == HTTPStatus.NOT_FOUND and not may_know():
            hidden = True
            told = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            await send_answer(send, HTTPStatus.FORBIDDEN, {"content-type": "application/xml"}, told)
        elif not hidden:
            await send(message)

    return sending


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def send_answer(
    send: Send, status: HTTPStatus, headers: Mapping[str, str], body: bytes = b""
) -> None:
    """Answer with this body, and no other."""
    sized = {**headers, "content-length": str(len(body))}
    await send({"type": "http.response.start", "status": int(status), "headers": _encoded(sized)})
    await send({"type": "http.response.body", "body": body})


async def send_refusal(
    send: Send, request: Request, refusal: Refusal, headers: Mapping[str, str]
) -> None:
    """In the form that the client of the service reads: JSON, that of query services, or S3's."""
    code, message = escape(refusal.code), escape(str(refusal))
    told = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    kind, content = "application/xml", request.headers.get("content-type", "")
    if "x-www-form-urlencoded" in content:
        told = f"<ErrorResponse>{told}</ErrorResponse>"
    elif "json" in content or request.service in _REST_JSON:
        kind, told = (
            "application/json",
            json.dumps({"__type": refusal.code, "message": str(refusal)}),
        )
    stated = {"content-type": kind, "x-amzn-errortype": refusal.code, "connection": "close",
              **headers}  # fmt: skip
    await send_answer(send, refusal.status, stated, told.encode())
