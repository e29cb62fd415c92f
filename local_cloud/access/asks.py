"""The permissions that one request to AWS needs.

Source: "Actions, resources, and condition keys" of each service (Service Authorization Reference);
for S3 "Required permissions for Amazon S3 API operations"; for keys the services' pages on AWS KMS.
ministack's own tables are used where they say the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_BATCHES = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
# What a service does with the key of what it keeps, in the caller's name.
_IN_A_TABLE = ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey",
               "DescribeKey")  # fmt: skip
_WITH_KEY: Mapping[str, Sequence[str]] = {
    "s3:GetObject": ("Decrypt",),
    "s3:GetObjectVersion": ("Decrypt",),
    "s3:PutObject": ("GenerateDataKey",),
    "sqs:SendMessage": ("GenerateDataKey", "Decrypt"),
    "sqs:ReceiveMessage": ("Decrypt",),
    "sns:Publish": ("GenerateDataKey", "Decrypt"),
    **{
        f"dynamodb:{action}": _IN_A_TABLE
        for action in (
            "GetItem",
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "Query",
            "Scan",
            "BatchGetItem",
            "BatchWriteItem",
        )
    },
}
# How services are told the action: by the path, by a form, or else by the header X-Amz-Target.
_REST = ("lambda", "apigateway")
_QUERY = ("iam", "sts", "sns", "cloudformation")
_BOTH = ("monitoring", "sqs")
_EMR_ACTIONS = {
    ("POST", "jobruns", 3): "StartJobRun",
    ("GET", "jobruns", 3): "ListJobRuns",
    ("GET", "jobruns", 4): "GetJobRun",
    ("DELETE", "jobruns", 4): "CancelJobRun",
    ("GET", "jobruns", 5): "ListJobRunAttempts",
    ("POST", "start", 3): "StartApplication",
    ("POST", "stop", 3): "StopApplication",
    ("GET", "", 2): "GetApplication",
    ("GET", "", 1): "ListApplications",
}
_OBJECT_READS = ("s3:GetObject", "s3:GetObjectVersion")


@dataclass(frozen=True)
class Ask:
    """One permission. `context` are the condition keys that the request states."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Call:
    """One request. `path` is decoded, and names the bucket of a request to S3; `service` is the
    one that answers it."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    query: Mapping[str, list[str]] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> dict[str, list[str]]:
        """Of the address, and of a form."""
        form = "x-www-form-urlencoded" in self.headers.get("content-type", "")
        stated = parse_qs(self.body.decode("utf-8", "replace"), True) if form else {}
        return {**stated, **self.query}


@dataclass(frozen=True)
class Place:
    """Where the calls go. `key_of` has the ARN of the key that a resource (a bucket, queue, topic
    or table, by its ARN) is encrypted with, if it has one of its own."""

    region: str
    account: str
    key_of: Mapping[str, str]

    def asks(self, call: Call) -> list[Ask]:
        """What the call needs. Raises `LookupError` for one that nobody knows."""
        found: list[Ask] = []
        for ask in self._direct(call):
            found += [ask, *self._with_key(call, ask)]
        return list(dict.fromkeys(found))

    def when_missing(self, call: Call) -> list[Ask]:
        """What it needs besides where S3 does not find the object: to be told so."""
        if call.service != "s3" or call.method not in ("GET", "HEAD"):
            return []
        reads = [ask for ask in self._direct(call) if ask.action in _OBJECT_READS]
        return [Ask("s3:ListBucket", _bucket(ask.resource)) for ask in reads]

    def _direct(self, call: Call) -> Iterator[Ask]:
        from ministack.core import iam_actions

        if call.service == "emr-serverless":
            yield from self._of_emr(call)
            return
        if call.service == "s3":
            yield from self._of_s3(call)
            return
        action = _action(call)
        headers = dict(call.headers)
        arguments = (call.method, call.path, headers, call.body, call.parameters)
        place = (self.region, self.account)
        first = iam_actions.extract_resource_arn(call.service, *arguments, *place)
        resources = [first.replace(":rule/default/", ":rule/")]  # the default bus has no name there
        if call.service == "dynamodb":
            if items := iam_actions.dynamodb_transaction_checks(action, call.body, *place):
                yield from (Ask(*item) for item in items)
                return
            resources = iam_actions.dynamodb_resource_arns(call.body, *place) or resources
        if action == "events:PutEvents":
            resources = iam_actions.eventbridge_resource_arns(call.body, *place)
        yield from (Ask(action, resource) for resource in resources)
        if call.service == "glue":
            yield from self._around_table(call, action, first)

    def _of_s3(self, call: Call) -> Iterator[Ask]:
        from ministack.core import iam_actions

        _refuse_other_protocols(call)
        bucket, _, key = call.path.lstrip("/").partition("/")
        if call.method == "POST" and "delete" in call.query and not key:
            targets = iam_actions._s3_batch_delete_targets(bucket, call.body)
            if not targets:
                raise LookupError("which objects a deletion is of")
            for arn, version in targets:
                yield Ask("s3:DeleteObjectVersion" if version else "s3:DeleteObject", arn)
            return
        action = iam_actions._s3_action(call.method, call.path, dict(call.query))
        if action is None or (key and not key.strip("/")):
            raise LookupError(f"s3 {call.method} {call.path}")
        named = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
        yield Ask(f"s3:{action}", named if bucket else "*", self._context(call, f"s3:{action}"))
        for more, target in iam_actions.s3_additional_checks(
            call.method, call.path, dict(call.headers), call.body, dict(call.query)
        ):
            yield Ask(more, target)

    def _context(self, call: Call, action: str) -> tuple[tuple[str, str], ...]:
        from ministack.core import iam_actions

        told = iam_actions.s3_service_context(
            action, dict(call.query), call.path, dict(call.headers)
        )
        return tuple(sorted((name, str(value)) for name, value in (told or {}).items()))

    def _around_table(self, call: Call, action: str, database: str) -> Iterator[Ask]:
        """Glue asks for the catalog, the database and the table, each."""
        yield Ask(action, f"{_prefix(database)}:catalog")
        stated = json.loads(call.body or b"{}")
        name = (
            stated.get("TableName")
            or stated.get("Name")
            or stated.get("TableInput", {}).get("Name")
        )
        if "DatabaseName" in stated and name:
            table = f"table/{stated['DatabaseName']}/{name}"
            yield Ask(action, f"{_prefix(database)}:{table}")

    def _of_emr(self, call: Call) -> Iterator[Ask]:
        _refuse_other_protocols(call)
        parts = [unquote(part) for part in call.path.strip("/").split("/")]
        kind = parts[2] if len(parts) > 2 else ""
        action = _EMR_ACTIONS.get((call.method, kind, len(parts)))
        if action is None:
            raise LookupError(f"emr-serverless {call.method} {call.path}")
        arn = f"arn:aws:emr-serverless:{self.region}:{self.account}:/{'/'.join(parts)}"
        on_application = action in ("StartJobRun", "ListJobRuns") or kind in ("start", "stop")
        resource = arn.removesuffix(f"/{kind}") if on_application else arn
        yield Ask(f"emr-serverless:{action}", resource if len(parts) > 1 else "*")
        if action == "StartJobRun":
            role = json.loads(call.body or b"{}").get("executionRoleArn", "")
            service = ("iam:passedtoservice", "emr-serverless.amazonaws.com")
            yield Ask("iam:PassRole", role, (service,))

    def _with_key(self, call: Call, ask: Ask) -> Iterator[Ask]:
        key = self.key_of.get(_container(ask.resource), "")
        if not key:
            return
        actions = list(_WITH_KEY.get(ask.action, ()))
        if ask.action == "s3:PutObject" and "uploadId" in call.query:
            actions.append("Decrypt")  # the parts' own key
        service = ask.action.partition(":")[0]
        via = ("kms:viaservice", f"{service}.{self.region}.amazonaws.com")
        for action in actions:
            yield Ask(f"kms:{action}", key, (via,))


def _action(call: Call) -> str:
    """By the service's own protocol alone: a request that states an action in another way could be
    decided as one thing and carried out as another. Raises `LookupError`."""
    from ministack.core import iam_actions

    namespace = iam_actions.SERVICE_TO_IAM_NAMESPACE.get(call.service)
    target = call.headers.get("x-amz-target", "").rpartition(".")[2]
    stated = call.parameters.get("Action", [])
    if call.service in _REST:
        _refuse_other_protocols(call)
        arguments = (call.method, call.path, dict(call.headers), call.body, dict(call.query))
        found = iam_actions.extract_iam_action(call.service, *arguments)
        if found:
            return str(found)
    elif "content-encoding" in call.headers or call.path.strip("/") not in ("", *_queue(call)):
        pass  # it would be read in another way, or by somebody else
    elif namespace and call.service in (*_QUERY, *_BOTH) and len(stated) == 1 and not target:
        return _BATCHES.get(f"{namespace}:{stated[0]}", f"{namespace}:{stated[0]}")
    elif namespace and call.service not in _QUERY and target and not stated:
        return _BATCHES.get(f"{namespace}:{target}", f"{namespace}:{target}")
    raise LookupError(f"{call.service} {call.method} {call.path}")


def _queue(call: Call) -> tuple[str, ...]:
    """The path of a queue, which may stand in the address of a request about it."""
    match = re.fullmatch(r"\d{12}/[A-Za-z0-9_.-]+", call.path.strip("/"))
    return (match[0],) if match and call.service == "sqs" else ()


def _refuse_other_protocols(call: Call) -> None:
    """What a REST service does not listen to, and somebody else might."""
    form = "x-www-form-urlencoded" in call.headers.get("content-type", "")
    if "x-amz-target" in call.headers or "Action" in call.query or form:
        raise LookupError(f"{call.service} {call.method} {call.path}")


def call_of(method: str, url: str, headers: Mapping[str, Any], body: Any) -> Call:
    """A request as a client has prepared it, with its whole address and its headers; of a body that
    is a stream nothing is read."""
    parts = urlsplit(url)
    plain = {name.lower(): _text(value) for name, value in headers.items()}
    signed = re.search(r"Credential=(?:[^/]+/){3}([^/]+)/", plain.get("authorization", ""))
    service, path = signed[1] if signed else "", unquote(parts.path)
    host = (parts.hostname or "").split(".s3.")
    if service == "s3" and len(host) == 2:
        path = f"/{host[0]}{path}"
    read = body.encode() if isinstance(body, str) else body
    whole = bytes(read) if isinstance(read, (bytes, bytearray)) else b""
    return Call(service, method, path, plain, whole, parse_qs(parts.query, keep_blank_values=True))


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _bucket(arn: str) -> str:
    return arn.partition("/")[0]


def _container(arn: str) -> str:
    """What has the key: a bucket of its objects, a table of its indexes."""
    if arn.startswith("arn:aws:s3:::"):
        return _bucket(arn)
    return re.sub(r"(:table/[^/]+)/.*", r"\1", arn)


def _prefix(arn: str) -> str:
    return ":".join(arn.split(":")[:5])
