"""The cloud's own port: who may ask, before ministack is asked.

Lambda lies behind this port, so whoever may ask may run code. Browsers let any website send
requests to loopback; so host names, origins and signatures are checked here, as AWS and S3 check
them. Of what is refused no body is read, but for the little that a signature is checked with.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus

from local_cloud.access.asks import Call
from local_cloud.access.guard import Guard
from local_cloud.access.signatures import Refusal, Request, Signatures, form_fields
from local_cloud.asgi import (
    App,
    Chunks,
    Receive,
    Scope,
    Send,
    hiding,
    read_body,
    replayed,
    request_of,
    send_answer,
    send_refusal,
    with_headers,
)
from local_cloud.storage_room import StorageRoom

HEALTH = "/_darkroom/health"

_FILE = b'name="file"'

_HASH_LENGTH = 64

_MOST_UNHASHED_BYTES = (
    16 * 1024 * 1024
)  # of a request whose signature needs its body; Lambda takes 6

_MOST_UNHASHED_AT_ONCE = 16  # of those that are large: what is held for nobody yet is bounded

_LARGE_BYTES = 256 * 1024

_MOST_FIELDS_BYTES = 64 * 1024  # of a form, before its file


@dataclass(frozen=True)
class Gate:
    """An ASGI application around another. `page` is the origin that may use forms and links;
    `is_bucket` says whether a path's first segment is a bucket."""

    app: App
    hosts: frozenset[str]
    page: str
    is_bucket: Callable[[str], bool]
    signatures: Signatures
    guard: Guard
    room: StorageRoom
    health: Callable[[], Mapping[str, object]]
    large: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(_MOST_UNHASHED_AT_ONCE)
    )

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
        request = request_of(scope)
        headers = self._cross_origin_headers(request)
        try:
            self._require_no_foreigner(request)
            if headers and request.method == "OPTIONS":
                await send_answer(send, HTTPStatus.NO_CONTENT, {**headers, **_PREFLIGHT})
                return
            key, body = await self._admitted_if_sound(request, receive)
            if request.path == HEALTH:
                told = json.dumps(self.health()).encode()
                await send_answer(send, HTTPStatus.OK, {"content-type": "application/json"}, told)
                return
            call = None if self.guard.is_owner(key) else self._call(request, body)
            if call is not None:
                self.guard.require(key, call)
            keeps = bool(self._bucket(request)) and "delete" not in request.query
            may_know = (
                partial(self.guard.may_know_it_is_missing, key, call) if call else lambda: True
            )
            with self.room.for_request(request.method, keeps, len(body)):
                inner = {**scope, "headers": request.vouched_for(scope["headers"])}
                await self.app(inner, replayed(body, receive),
                               hiding(with_headers(send, headers), may_know))  # fmt: skip
        except Refusal as refusal:
            await send_refusal(send, request, refusal, headers)

    def _require_no_foreigner(self, request: Request) -> None:
        """Other names for this machine are a website's trick, and other origins are websites."""
        if request.headers.get("host", "") not in self.hosts:
            raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, "InvalidHost",
                          "this address is called " + " or ".join(sorted(self.hosts)))  # fmt: skip
        origin = request.headers.get("origin")
        foreign = origin is not None and not (origin == self.page and self._bucket(request))
        if foreign or request.headers.get("sec-fetch-site") == "cross-site":
            raise Refusal(HTTPStatus.FORBIDDEN, "AccessDenied", "other sites may not ask here")

    def _call(self, request: Request, body: bytes) -> Call:
        """The request as permissions look at it, for the service that will get it; an upload by
        form is one of its object. Raises `Refusal` where that is not the service it is signed for.
        """
        from ministack.core.router import detect_service
        from ministack.services.s3 import _merge_hoisted_amz_headers

        path, query = request.path, dict(request.query)
        by_form = bool(self._bucket(request)) and request.is_form
        if by_form:
            path = f"/{self._bucket(request)}/{form_fields(request, body).get('key', '')}"
        headers = dict(request.headers)
        call = Call("", request.method, path, headers, body, query)
        service = detect_service(request.method, request.path, headers, call.parameters)
        if service == "s3":
            headers = _merge_hoisted_amz_headers(headers, query)
        if by_form:
            headers.pop("content-type")
        signed_for = "s3" if by_form or request.is_link else request.service
        if service != _ROUTED_AS.get(signed_for, signed_for):
            raise _misled(request)
        if service == "s3" and not self._is_place_of_objects(request):
            raise _misled(request)
        return replace(call, service=service, headers=headers)

    def _is_place_of_objects(self, request: Request) -> bool:
        """A bucket, what will be one, or the list of all: ministack has paths of its own, too."""
        first, _, rest = request.path.lstrip("/").partition("/")
        new = request.method == "PUT" and not rest.strip("/") and "-" in first
        return not first or bool(self._bucket(request)) or (new and not first.startswith("_"))

    async def _admitted_if_sound(self, request: Request, receive: Receive) -> tuple[str, bytes]:
        """`_admitted`; what cannot even be checked is refused, too."""
        try:
            return await self._admitted(request, receive)
        except (ValueError, TypeError, OverflowError) as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "InvalidRequest",
                          "the request cannot be understood") from error  # fmt: skip

    async def _admitted(self, request: Request, receive: Receive) -> tuple[str, bytes]:
        """Whose access key has signed a request, and its body. Raises `Refusal` for any other."""
        if self._bucket(request) and request.is_form:
            return await self._form(request, receive)
        if request.is_link:
            key = self.signatures.require_link(request)
            return key, await read_body(receive, 0 if request.method in ("GET", "HEAD") else None)
        stated = request.headers.get("x-amz-content-sha256", "")
        if not stated:
            return await self._unhashed(request, receive)
        key = self.signatures.require_header_alone(request)  # which vouches for the body
        body = await read_body(receive)
        if stated.startswith("STREAMING-AWS4-"):
            self.signatures.require_header(request, body)
        elif len(stated) == _HASH_LENGTH and hashlib.sha256(body).hexdigest() != stated:
            raise Refusal(HTTPStatus.BAD_REQUEST, "XAmzContentSHA256Mismatch",
                          "the body is not the one that was signed")  # fmt: skip
        return key, body

    async def _form(self, request: Request, receive: Receive) -> tuple[str, bytes]:
        """A form's fields come before its file, as S3 wants them: the file is read when they are
        known to be good. They are looked at once more in the whole, as the service will."""
        chunks = Chunks(receive)
        fields = b""
        while len(fields) < _MOST_FIELDS_BYTES and (chunk := await chunks.next()):
            fields += chunk
            if _FILE in fields:
                break
        self.signatures.require_form(form_fields(request, fields + b"--"))
        body = fields + await chunks.rest()
        return self.signatures.require_form(form_fields(request, body)), body

    async def _unhashed(self, request: Request, receive: Receive) -> tuple[str, bytes]:
        """A body that is needed to check its own signature."""
        self.signatures.require_key(request)
        stated = request.headers.get("content-length", "")
        is_large = not stated.isdigit() or int(stated) > _LARGE_BYTES
        if is_large and self.large.locked():
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown", "too much at once: try again")
        async with self.large if is_large else nullcontext():
            body = await read_body(receive, _MOST_UNHASHED_BYTES)
        return self.signatures.require_header(request, body), body

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


# Where ministack's name for a service is not the one that it is signed for.
_ROUTED_AS = {"cloudwatch": "monitoring"}

_PREFLIGHT = {
    "access-control-allow-methods": "GET, HEAD, POST",
    "access-control-allow-headers": "content-type",
    "access-control-max-age": "600",
}


def _misled(request: Request) -> Refusal:
    words = f"a request signed for {request.service or 's3'} that somebody else would answer"
    return Refusal(HTTPStatus.FORBIDDEN, "AccessDenied", words)
