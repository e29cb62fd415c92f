"""What the suite has asked for, told of the stack in `stack.py`: notes of every local cloud and of
every simulated one, and what Lambda does with a function's role."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from local_cloud.access.asks import Ask
from local_cloud.access.notes import FOLDER
from local_cloud.access.of_stack import Resource, StackAccess
from tests.permissions.stack import ACCOUNT, REGION

Asked = tuple[str, Ask]  # the role's logical id, and what it asked for


def asked(resources: Iterable[Resource]) -> set[Asked]:
    """All notes of the folder that the environment names."""
    known = {resource.logical_id: resource for resource in resources}
    files = sorted(Path(os.environ[FOLDER]).glob("*.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    names: dict[str, str] = {}  # what the stacks are called, and their logical ids
    for told in lines:
        for logical_id, physical_id, arn in told.get("stack", ()):
            names |= {arn or physical_id: logical_id, physical_id: logical_id}
    return {found for told in lines if "who" in told for found in _noted(told, names, known)}


def _noted(
    told: dict[str, Any], names: dict[str, str], known: dict[str, Resource]
) -> Iterator[Asked]:
    role = names.get(told["who"], told["who"])
    if role in known and known[role].type == "AWS::IAM::Role":
        context = tuple((name, value) for name, value in told["context"])
        yield role, Ask(told["action"], _here(told["resource"], names, known), context)


def _here(arn: str, names: dict[str, str], known: dict[str, Resource]) -> str:
    """A resource of a local or a simulated cloud, as the stack calls it."""
    whole, rest = arn, ""
    while whole and whole not in names:
        whole, slash, last = whole.rpartition("/")
        rest = f"{slash}{last}{rest}"
    if whole:
        return known[names[whole]].arn + rest
    glue = re.fullmatch(r"arn:aws:glue:[^:]+:\d+:(catalog|(database|table)/[^/]+(.*))", arn)
    if glue is None:
        return arn
    database = known["Database"].physical_id
    named = "catalog" if glue[1] == "catalog" else f"{glue[2]}/{database}{glue[3]}"
    return f"arn:aws:glue:{REGION}:{ACCOUNT}:{named}"


def by_lambda(resources: Iterable[Resource], access: StackAccess) -> Iterator[Asked]:
    """What Lambda does with the roles of the template's functions: it polls their queues, writes
    their logs and sends their traces."""
    given = list(resources)
    roles = {r.arn: r.logical_id for r in given if r.type == "AWS::IAM::Role"}
    groups = {r.physical_id: r.arn for r in given if r.type == "AWS::Logs::LogGroup"}
    for function in given:
        if function.type != "AWS::Serverless::Function":
            continue
        about = function.properties
        role = roles[about["Role"]]
        stream = groups[about["LoggingConfig"]["LogGroup"]].replace(":*", ":log-stream:today")
        yield from ((role, Ask(f"logs:{a}", stream)) for a in ("CreateLogStream", "PutLogEvents"))
        for action in ("PutTraceSegments", "PutTelemetryRecords"):
            yield role, Ask(f"xray:{action}", "*")
        for event in about.get("Events", {}).values():
            if event["Type"] == "SQS":
                yield from ((role, ask) for ask in _polling(event["Properties"]["Queue"], access))


def _polling(queue: str, access: StackAccess) -> Iterator[Ask]:
    for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        yield Ask(f"sqs:{action}", queue)
    via = ("kms:viaservice", f"sqs.{REGION}.amazonaws.com")
    yield Ask("kms:Decrypt", access.keys[queue], (via,))
