"""Signatures of AWS, version 4, checked with the keys of this cloud.

Source: "AWS Signature Version 4 for API requests" (IAM user guide), and for forms and links
"Authenticating requests" (S3 API reference). ministack's own primitives do the arithmetic.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

_LONGEST_LINK_SECONDS = 7 * 24 * 3600

# What a browser may add to a link or a form without a signature: S3 takes no other x-amz- headers
# there, and ministack would be led to other services by some.
_UNSIGNED = frozenset(
    {"host", "content-length", "range", "if-match", "if-none-match", "if-modified-since",
     "accept", "accept-encoding", "user-agent", "origin"}
)  # fmt: skip


class Refusal(Exception):  # noqa: N818  (an answer, not a fault)
    """A request that is answered with an error."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Request:
    """A request before its body is read. `raw_path` is as it was sent; header names are in lower
    case."""

    method: str
    path: str
    raw_path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]

    @property
    def service(self) -> str:
        """The service that it says it is for; '' where it says none."""
        stated = re.search(
            r"Credential=(?:[^/,]+/){3}([^/,]+)/", self.headers.get("authorization", "")
        )
        return stated[1] if stated else ""

    @property
    def is_form(self) -> bool:
        """Whether it could be a form that a page sends to a bucket."""
        kind = self.headers.get("content-type", "")
        at_bucket = self.path.strip("/").count("/") == 0 and not self.query
        return self.method == "POST" and at_bucket and kind.startswith("multipart/form-data")

    @property
    def is_link(self) -> bool:
        """Whether its signature stands in its address."""
        return "X-Amz-Signature" in self.query and "authorization" not in self.headers

    def vouched_for(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Of these headers those that may be listened to: of forms and links some are unsigned."""
        if not (self.is_form or self.is_link):
            return list(headers)
        signed = self.query.get("X-Amz-SignedHeaders", [""])[0].split(";")
        kept = {*_UNSIGNED, *(["content-type"] if self.is_form else signed)} - {"x-amz-target"}
        return [pair for pair in headers if pair[0].decode("latin-1").lower() in kept]


@dataclass(frozen=True)
class Signatures:
    """Checks who signed, and says by which access key. All raise `Refusal`. `secret_of` gives the
    secret of a key that this cloud has made."""

    secret_of: Callable[[str], str | None]

    def require_key(self, request: Request) -> Any:
        """The signature in the header, of our key and of now; whether it is true is not asked."""
        from ministack.core.sigv4 import parse_header_signature, request_time_failure

        if not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            raise _denied("MissingAuthenticationToken", "sign the request: `darkroom local up` "
                          "prints the keys")  # fmt: skip
        signature = parse_header_signature(dict(request.headers))
        self._secret(signature)
        if failure := request_time_failure(signature):
            raise _denied(*failure)
        return signature

    def require_header(self, request: Request, body: bytes) -> str:
        """A true signature in the header; of the body too, where no header states its hash, and of
        each of its chunks, where they are signed."""
        return self._require_true(self.require_key(request), request, body)

    def require_header_alone(self, request: Request) -> str:
        """A true signature in the header, whatever the body is: a header vouches for that."""
        from ministack.core.sigv4 import calculate_signature, header_signing_documents

        signature = self.require_key(request)
        _, to_sign = header_signing_documents(
            signature, request.method, request.raw_path, dict(request.query),
            dict(request.headers), b"",
        )  # fmt: skip
        computed = calculate_signature(
            self._secret(signature), signature.date_stamp, signature.region, signature.service,
            to_sign,
        )  # fmt: skip
        if not hmac.compare_digest(computed.encode(), signature.signature.encode()):
            raise _denied("SignatureDoesNotMatch", "the signature is not that of this request")
        return str(signature.access_key_id)

    def require_link(self, request: Request) -> str:
        """A true signature in the address, whose time has not run out."""
        from ministack.core.sigv4 import parse_query_signature, presigned_request_is_expired

        signature = parse_query_signature(dict(request.query))
        self._secret(signature)
        if signature.service != "s3":
            raise _denied("AccessDenied", "only objects have links")
        try:
            seconds = int(request.query.get("X-Amz-Expires", [""])[0])
            expired = presigned_request_is_expired(signature.amz_date, seconds)
        except ValueError as error:
            raise _denied(
                "AuthorizationQueryParametersError", "X-Amz-Expires is missing"
            ) from error
        if expired or not 0 < seconds <= _LONGEST_LINK_SECONDS:
            raise _denied("AccessDenied", "Request has expired")
        return self._require_true(signature, request, b"", presigned=True)

    def require_form(self, fields: Mapping[str, str]) -> str:
        """A policy that we signed; what it allows, and until when, the service looks at."""
        from ministack.core.sigv4 import calculate_signature

        scope = fields.get("x-amz-credential", "").split("/")
        if len(scope) != 5 or not fields.get("policy"):
            raise _denied("AccessDenied", "forms are signed: ask the API for one")
        key, day, region, service, _ = scope
        secret = self.secret_of(key)
        if secret is None or service != "s3":
            raise _unknown_key()
        computed = calculate_signature(secret, day, region, service, fields["policy"])
        if not hmac.compare_digest(computed.encode(), fields.get("x-amz-signature", "").encode()):
            raise _denied("SignatureDoesNotMatch", "the form's policy was not signed by this cloud")
        return key

    def _secret(self, signature: Any) -> str:
        """Of the key that is named; refused where that is none of this cloud."""
        if isinstance(signature, tuple):
            raise _denied(*signature)
        secret = self.secret_of(signature.access_key_id)
        if secret is None:
            raise _unknown_key()
        return secret

    def _require_true(
        self, signature: Any, request: Request, body: bytes, presigned: bool = False
    ) -> str:
        from ministack.core.sigv4 import header_signature_failure

        failure = header_signature_failure(
            signature, self._secret(signature), request.method, request.raw_path,
            dict(request.query), dict(request.headers), body, presigned=presigned,
        )  # fmt: skip
        if failure:
            raise _denied(*failure)
        return str(signature.access_key_id)


def form_fields(request: Request, body: bytes) -> dict[str, str]:
    """A form's fields but its file, read as the service will read them; of a body that is not there
    as a whole, those that are."""
    from ministack.services.s3 import _parse_multipart_form

    parts = _parse_multipart_form(request.headers["content-type"], body)
    return {name.lower(): value.decode("utf-8", "replace")
            for name, _, _, value in parts if name != "file"}  # fmt: skip


def _denied(code: str, message: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, code, message)


def _unknown_key() -> Refusal:
    return _denied("InvalidAccessKeyId", "this cloud has not made that key: `darkroom local up` "
                   "prints the keys")  # fmt: skip
