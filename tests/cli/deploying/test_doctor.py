"""`darkroom doctor` on a local cloud: nothing is wrong with what was deployed, and what somebody
has changed is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from cli.deploying.cloudformation import resource
from cli.deploying.doctor import examine
from cli.on_stack.stack import Stack
from tests.stack.local_stack import NAME, darkroom


def faults(stack: Stack) -> dict[str, str]:
    return {found.check: found.fault for found in examine(stack) if found.fault}


@pytest.mark.long
def test_what_was_deployed_is_well(stack: Stack) -> None:
    said = darkroom("doctor", "--send")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "FAULT" not in said.stdout
    assert "the receipt balances" in said.stdout


Plant = Callable[[Stack], Callable[[], object]]


def no_notification(stack: Stack) -> Callable[[], object]:
    before = stack.s3.get_bucket_notification_configuration(Bucket=stack.uploads)
    kept = {"QueueConfigurations": before["QueueConfigurations"]}

    def put(told: dict[str, Any]) -> None:
        stack.s3.put_bucket_notification_configuration(
            Bucket=stack.uploads, NotificationConfiguration=told
        )

    put({})
    return lambda: put(kept)


def no_queue_policy(stack: Stack) -> Callable[[], object]:
    sqs, url = boto3.client("sqs"), resource(stack.name, "UploadQueue")
    told = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    other = {"Version": "2012-10-17", "Statement": []}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(other)})
    return lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": told["Policy"]})


def no_mapping(stack: Stack) -> Callable[[], object]:
    client: Any = boto3.client("lambda")
    mappings = client.list_event_source_mappings(FunctionName=f"{NAME}-submit-job")
    number = mappings["EventSourceMappings"][0]["UUID"]
    client.update_event_source_mapping(UUID=number, Enabled=False)
    return lambda: client.update_event_source_mapping(UUID=number, Enabled=True)


def no_rule(stack: Stack) -> Callable[[], object]:
    events = boto3.client("events")
    events.disable_rule(Name=f"{NAME}-job-events")
    return lambda: events.enable_rule(Name=f"{NAME}-job-events")


def no_key(stack: Stack) -> Callable[[], object]:
    kms, key = boto3.client("kms"), stack.outputs["DataKey"]
    kms.disable_key(KeyId=key)
    return lambda: kms.enable_key(KeyId=key)


def no_key_policy(stack: Stack) -> Callable[[], object]:
    kms, key = boto3.client("kms"), stack.outputs["DataKey"]
    policy = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    fewer = json.loads(policy)
    fewer["Statement"] = [s for s in fewer["Statement"] if s["Sid"] != "JobEvents"]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(fewer))
    return lambda: kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)


def dead_letter(stack: Stack) -> Callable[[], object]:
    sqs = boto3.client("sqs")
    url = next(iter(stack.dead_letters))
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    return lambda: sqs.purge_queue(QueueUrl=url)


@pytest.mark.parametrize(
    ("plant", "check", "words"),
    [
        (no_notification, "uploads", "tells the queue"),
        (no_queue_policy, "queue policies", "lets s3.amazonaws.com send"),
        (no_mapping, "functions", "submit-job"),
        (no_rule, "rules", "job-events"),
        (no_key, "key", "Disabled"),
        (no_key_policy, "key", "events.amazonaws.com"),
        (dead_letter, "queues", "dead letters"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_somebody_has_changed_is_found(
    stack: Stack, plant: Plant, check: str, words: str
) -> None:
    mend = plant(stack)
    try:
        found = faults(stack)
        assert words in found[check]
        assert set(found) == {check}
    finally:
        mend()
    assert faults(stack) == {}
