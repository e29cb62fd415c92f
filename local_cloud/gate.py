"""The cloud's own port: who may ask, before ministack is asked.

Lambda lies behind this port, so whoever may ask may run code. Browsers let any website send
requests to loopback; so host names, origins and signatures are checked here, as AWS and S3 check
them, and nothing that is refused is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from local_cloud.signatures import Refusal, Request, Signatures, form_fields
from local_cloud.storage_room import StorageRoom

HEALTH = "/_darkroom/health"
_MOST_UNHASHED_BYTES = (
    16 * 1024 * 1024
)  # of a request whose signature needs its body; Lambda takes 6
_MOST_FORM_BYTES = 256 * 1024 * 1024

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Gate:
    """An ASGI application around another. `page` is the origin that may use forms and links;
    `is_bucket` says whether a path's first segment is a bucket."""

    app: App
    hosts: frozenset[str]
    page: str
    is_bucket: Callable[[str], bool]
    signatures: Signatures
    room: StorageRoom
    health: Callable[[], Mapping[str, object]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:  # nothing here talks by web sockets
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request_of(scope)
        headers = self._cross_origin_headers(request)
        try:
            self._require_no_foreigner(request)
            if headers and request.method == "OPTIONS":
                await _answer(send, HTTPStatus.NO_CONTENT, {**headers, **_PREFLIGHT})
                return
            body = await self._admitted(request, receive)
            if request.path == HEALTH:
                told = json.dumps(self.health()).encode()
                await _answer(send, HTTPStatus.OK, {"content-type": "application/json"}, told)
                return
            with self.room.for_request(request.method, self._bucket(request), len(body)):
                inner = {**scope, "headers": request.vouched_for(scope["headers"])}
                await self.app(inner, _replayed(body, receive), _with_headers(send, headers))
        except Refusal as refusal:
            await _refuse(send, request, refusal, headers)

    def _require_no_foreigner(self, request: Request) -> None:
        """Other names for this machine are a website's trick, and other origins are websites."""
        if request.headers.get("host", "") not in self.hosts:
            raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, "InvalidHost",
                          "this address is called " + " or ".join(sorted(self.hosts)))  # fmt: skip
        origin = request.headers.get("origin")
        foreign = origin is not None and not (origin == self.page and self._bucket(request))
        if foreign or request.headers.get("sec-fetch-site") == "cross-site":
            raise Refusal(HTTPStatus.FORBIDDEN, "AccessDenied", "other sites may not ask here")

    async def _admitted(self, request: Request, receive: Receive) -> bytes:
        """The body of a request that is signed. Raises `Refusal` for any other."""
        if self._bucket(request) and request.is_form:
            body = await _body(receive, _MOST_FORM_BYTES)
            self.signatures.require_form(form_fields(request, body))
            return body
        if request.is_link:
            self.signatures.require_link(request)
            return await _body(receive)
        stated = request.headers.get("x-amz-content-sha256", "")
        if stated:  # then the body is vouched for by a header, and is read after that was checked
            self.signatures.require_header(request, b"")
            body = await _body(receive)
            if stated.startswith("STREAMING-"):
                self.signatures.require_header(request, body)
            elif stated != "UNSIGNED-PAYLOAD" and hashlib.sha256(body).hexdigest() != stated:
                raise Refusal(HTTPStatus.BAD_REQUEST, "XAmzContentSHA256Mismatch",
                              "the body is not the one that was signed")  # fmt: skip
            return body
        self.signatures.require_key(request)
        body = await _body(receive, _MOST_UNHASHED_BYTES)
        self.signatures.require_header(request, body)
        return body

    def _bucket(self, request: Request) -> str:
        """The bucket that the path leads to; '' where it leads elsewhere."""
        first = request.path.lstrip("/").partition("/")[0]
        return first if first and self.is_bucket(first) else ""

    def _cross_origin_headers(self, request: Request) -> Mapping[str, str]:
        """For the page alone, and on buckets' paths alone."""
        if request.headers.get("origin") != self.page or not self._bucket(request):
            return {}
        return {
            "access-control-allow-origin": self.page,
            "access-control-expose-headers": "ETag",
            "vary": "Origin",
        }


_REST_JSON = ("lambda", "emr-serverless", "execute-api")
_PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, POST",
    "access-control-allow-headers": "content-type",
    "access-control-max-age": "600",
}


def _request_of(scope: Scope) -> Request:
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


async def _body(receive: Receive, most: int | None = None) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refusal(HTTPStatus.BAD_REQUEST, "IncompleteBody", "the request broke off")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if most is not None and size > most:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "EntityTooLarge", f"{most} bytes at most"
            )
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What was read already, once; then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _with_headers(send: Send, ours: Mapping[str, str]) -> Send:
    """Answers with our cross-origin headers instead of ministack's, which let everybody in."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", [])
                    if not pair[0].lower().startswith(b"access-control-")]  # fmt: skip
            message = {**message, "headers": [*kept, *_encoded(ours)]}
        await send(message)

    return sending


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _answer(
    send: Send, status: HTTPStatus, headers: Mapping[str, str], body: bytes = b""
) -> None:
    sized = {**headers, "content-length": str(len(body))}
    await send({"type": "http.response.start", "status": int(status), "headers": _encoded(sized)})
    await send({"type": "http.response.body", "body": body})


async def _refuse(
    send: Send, request: Request, refusal: Refusal, headers: Mapping[str, str]
) -> None:
    """In the form that the client of the service reads: JSON, that of query services, or S3's."""
    code, message = escape(refusal.code), escape(str(refusal))
    told = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    kind, content = "application/xml", request.headers.get("content-type", "")
    if "x-www-form-urlencoded" in content:
        told = f"<ErrorResponse>{told}</ErrorResponse>"
    elif "json" in content or request.service in _REST_JSON:
        kind, told = "application/json", json.dumps({"message": str(refusal)})
    stated = {"content-type": kind, "x-amzn-errortype": refusal.code, "connection": "close",
              **headers}  # fmt: skip
    await _answer(send, refusal.status, stated, told.encode())
