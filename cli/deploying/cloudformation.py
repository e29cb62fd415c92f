"""CloudFormation's side of deploying and removing: change sets, waiting, and what failed first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import sleep
from typing import Any

import boto3
from botocore.exceptions import ClientError

from cli.deploying.endpoint import is_on_this_machine
from cli.terminal.say import say
from darkroom.errors import DarkroomError, UsageError

# A creation that failed: no change set can follow, the stack must be deleted.
_NEVER_MADE = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED",
               "DELETE_FAILED")  # fmt: skip
_MADE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_BEGINNINGS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_CONSEQUENCES = ("cancelled", "The following resource(s) failed")


@dataclass(frozen=True)
class ChangeSet:
    """What a deployment would change. `touched` are the types of the resources."""

    arn: str
    stack: str
    touched: frozenset[str]

    def execute(self) -> None:
        """Carry it out, and wait. Raises `DarkroomError` with the first thing that failed."""
        client: Any = boto3.client("cloudformation")
        client.execute_change_set(ChangeSetName=self.arn, StackName=self.stack)
        _let_it_begin()
        status = settled(self.stack)
        if status not in _MADE:
            raise _failed(self.stack, "deployed", status)


def change_set(stack: str, said: str) -> ChangeSet | None:
    """The one that the AWS CLI's `deploy --no-execute-changeset` tells of; None for no changes."""
    named = re.search(r"arn:\S+:changeSet/\S+", said)
    if named is None:
        return None
    pages = boto3.client("cloudformation").get_paginator("describe_change_set")
    changes = [
        change["ResourceChange"]
        for page in pages.paginate(ChangeSetName=named[0], StackName=stack)
        for change in page["Changes"]
        if "ResourceChange" in change
    ]
    touched = {c["ResourceType"] for c in changes if c["Action"] in ("Modify", "Remove")}
    return ChangeSet(named[0], stack, frozenset(touched))


def status_of(stack: str) -> str | None:
    """Of the stack; None where there is none."""
    try:
        answer = boto3.client("cloudformation").describe_stacks(StackName=stack)
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise UsageError(f"AWS refuses: {error}") from error
    return str(answer["Stacks"][0]["StackStatus"])


def settled(stack: str) -> str | None:
    """The stack's status when nothing is under way any more; None where there is none."""
    told = False
    while (status := status_of(stack)) and status.endswith("_IN_PROGRESS"):
        if status == "REVIEW_IN_PROGRESS":
            break
        if not told and not is_on_this_machine():
            say(f"waiting for CloudFormation ({status})")
            told = True
        sleep(0.2 if is_on_this_machine() else 10)
    return status


def _let_it_begin() -> None:
    """The status may be the old one for a moment."""
    sleep(0 if is_on_this_machine() else 5)


def clear_away(stack: str, bring_to_rest: Callable[[], None]) -> None:
    """Remove what a creation that failed has left under the stack's name; wait for what is under
    way. Raises `UsageError` for a stack that CloudFormation cannot go on with by itself."""
    status = settled(stack)
    if status == "UPDATE_ROLLBACK_FAILED":
        raise UsageError(
            f"the stack {stack} is stuck in {status}. {why_not(stack)}\nWhen that is mended: aws "
            f"cloudformation continue-update-rollback --stack-name {stack}; then deploy again"
        )
    if status in _NEVER_MADE:
        say(f"clearing away the stack {stack}, whose creation failed ({status})")
        bring_to_rest()
        delete(stack)


def delete(stack: str) -> None:
    """Delete the stack, and wait. Raises `DarkroomError` with the first thing that failed."""
    settled(stack)
    boto3.client("cloudformation").delete_stack(StackName=stack)
    _let_it_begin()
    status = settled(stack)
    if status is not None and status != "DELETE_COMPLETE":
        raise _failed(stack, "removed", status)


def _failed(stack: str, what: str, status: str | None) -> DarkroomError:
    reason = why_not(stack) or f"CloudFormation says: {status}"
    return DarkroomError(f"the stack {stack} could not be {what}. {reason}")


def resource(stack: str, logical_id: str) -> str:
    """The physical id of a stack's resource; '' where it has none (yet)."""
    try:
        answer = boto3.client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId=logical_id
        )
    except ClientError:
        return ""
    told = answer["StackResourceDetail"]
    gone = told["ResourceStatus"] == "DELETE_COMPLETE"
    return "" if gone else str(told.get("PhysicalResourceId", ""))


def why_refused(stack: str, said: str) -> str:
    """What CloudFormation found wrong when it looked at the changes, before any was made, and what
    to do about it; '' where it says nothing. `said` names the change set, or its newest counts."""
    client: Any = boto3.client("cloudformation")
    try:
        named = re.search(r"arn:\S+:changeSet/[\w/-]+", said)
        listed = client.list_change_sets(StackName=stack)["Summaries"]
        newest = max(listed, key=lambda one: one["CreationTime"], default=None)
        arn = named[0] if named else newest["ChangeSetId"] if newest else ""
        found = [*_invalid(ChangeSetName=arn)] if arn else []
        reason = newest.get("StatusReason", "") if newest else ""
    except ClientError:
        return ""
    return _with_advice(stack, next(iter(found), reason))


def why_not(stack: str) -> str:
    """What CloudFormation said of the resource that failed first in its last operation, and what to
    do about it; '' where it said nothing."""
    failed = [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in _last_operation(stack)
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]
    causes = [words for words in failed if not any(c in words for c in _CONSEQUENCES)]
    told_apart = any("DescribeEvents" in words for words in failed)
    invalid = [*_invalid(StackName=stack)] if told_apart else []
    return _with_advice(stack, next(iter([*invalid, *reversed(causes), *reversed(failed)]), ""))


def _with_advice(stack: str, first: str) -> str:
    if "already exists" in first or "AlreadyOwnedByYou" in first:
        first += (
            f"\nIt is left from an earlier stack {stack!r} that was removed without --delete-data: "
            f"choose another name with --stack, or `darkroom destroy --stack {stack} "
            "--delete-data` deletes it"
        )
    return first


def _invalid(**of: str) -> Iterator[str]:
    """What CloudFormation found wrong with a stack or a change set before it made anything, which
    it tells in a list of its own."""
    pages = boto3.client("cloudformation").get_paginator("describe_events")
    for page in pages.paginate(Filters={"FailedEvents": True}, **of):
        for event in page["OperationEvents"]:
            if reason := event.get("ValidationStatusReason"):
                yield f"{event['LogicalResourceId']}: {reason}"


def _last_operation(stack: str) -> Iterator[Any]:
    """The events of the stack's last operation, newest first."""
    pages = boto3.client("cloudformation").get_paginator("describe_stack_events")
    try:
        for page in pages.paginate(StackName=stack):
            for event in page["StackEvents"]:
                yield event
                of_stack = event.get("PhysicalResourceId") == event["StackId"]
                if of_stack and event["ResourceStatus"] in _BEGINNINGS:
                    return
    except ClientError:
        return
