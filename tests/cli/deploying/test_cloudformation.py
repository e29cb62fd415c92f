"""What CloudFormation's answers are told as, where ministack has other ones: its own, stubbed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cli.deploying import cloudformation

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/awscli-1/2"
STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/darkroom/1"


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    client = boto3.Session("k", "s", region_name="eu-west-1").client("cloudformation")
    monkeypatch.setattr(boto3, "client", lambda service: client)
    stub = Stubber(client)
    stub.activate()
    return stub


def test_a_name_that_is_taken_is_found_when_the_change_set_is_made(stubbed: Stubber) -> None:
    """`AWS::EarlyValidation`: no stack event tells of it."""
    summary = {
        "ChangeSetId": ARN,
        "CreationTime": datetime.now(UTC),
        "StatusReason": "hooks failed",
    }
    stubbed.add_response("list_change_sets", {"Summaries": [summary]}, {"StackName": "darkroom"})
    found = {"LogicalResourceId": "Results", "ValidationStatusReason": "x-results already exists"}
    stubbed.add_response(
        "describe_events",
        {"OperationEvents": [{"EventId": "1", "StackId": STACK}, {"EventId": "2", **found}]},
        {"ChangeSetName": ARN, "Filters": {"FailedEvents": True}},
    )
    told = cloudformation.why_refused("darkroom", "aws cloudformation deploy failed: hooks")
    assert told.startswith("Results: x-results already exists")
    assert "darkroom destroy --stack darkroom --delete-data" in told


def _event(resource: str, status: str, reason: str = "", stack: bool = False) -> dict[str, Any]:
    return {"StackId": STACK, "EventId": resource + status, "StackName": "darkroom",
            "Timestamp": datetime.now(UTC), "LogicalResourceId": resource,
            "ResourceStatus": status, "ResourceStatusReason": reason,
            "PhysicalResourceId": STACK if stack else ""}  # fmt: skip


def test_the_first_cause_of_the_last_deployment_is_told(stubbed: Stubber) -> None:
    """Over several pages, newest first; what was cancelled because of it is none, and what failed
    in an earlier deployment is none of this one's."""
    pages = [
        [_event("darkroom", "ROLLBACK_COMPLETE", stack=True),
         _event("Api", "CREATE_FAILED", "Resource creation cancelled")],
        [_event("Runs", "CREATE_FAILED", "the second thing"),
         _event("DataKey", "CREATE_FAILED", "the first thing"),
         _event("darkroom", "CREATE_IN_PROGRESS", "User Initiated", stack=True)],
    ]  # fmt: skip
    stubbed.add_response("describe_stack_events", {"StackEvents": pages[0], "NextToken": "2"})
    stubbed.add_response("describe_stack_events", {"StackEvents": pages[1], "NextToken": "3"})
    assert cloudformation.why_not("darkroom") == "DataKey: the first thing"
    stubbed.assert_no_pending_responses()


def test_only_changes_of_the_application_stop_it(stubbed: Stubber) -> None:
    def change(kind: str, action: str) -> dict[str, Any]:
        return {"Type": "Resource", "ResourceChange": {"ResourceType": kind, "Action": action}}

    kinds = [change("AWS::EMRServerless::Application", "Add"), change("AWS::SQS::Queue", "Modify")]
    stubbed.add_response("describe_change_set", {"Changes": kinds})
    changes = cloudformation.change_set("darkroom", f"aws ... --change-set-name {ARN}")
    assert changes is not None
    assert changes.touched == {"AWS::SQS::Queue"}
    assert cloudformation.change_set("darkroom", "No changes to deploy.") is None
