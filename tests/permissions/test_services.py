"""What AWS' services do in the stack's name: each needs the resource's policy, and the key's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from ministack.core import iam_evaluator as evaluator

from local_cloud.access.of_stack import access_of
from tests.permissions.stack import ACCOUNT, NAME, REGION, resolved, template

RESOURCES = {resource.logical_id: resource for resource in resolved(template())}
ACCESS = access_of(RESOURCES.values())


@dataclass(frozen=True)
class Act:
    """A service's action on a resource whose policy decides. `states` are the condition keys that
    the service gives, as its documentation says."""

    service: str
    action: str
    on: str  # a logical id
    states: dict[str, str]
    suffix: str = ""

    def __str__(self) -> str:
        return f"{self.service}-{self.action}-{self.on}"


def arn(logical_id: str) -> str:
    return RESOURCES[logical_id].arn


def _key(service: str, states: dict[str, str], *actions: str) -> list[Act]:
    return [Act(service, f"kms:{action}", "DataKey", states) for action in actions]


_TRAIL = {"aws:sourcearn": f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{NAME}"}
_TO_UPLOADS = {"kms:encryptioncontext:aws:sqs:arn": arn("UploadQueue")}
_TO_CATALOG = {"kms:encryptioncontext:aws:sqs:arn": arn("CatalogQueue")}
_ALARMS = {"aws:sourceaccount": ACCOUNT}
_LOGS = [
    {"kms:encryptioncontext:aws:logs:arn": resource.arn.removesuffix(":*")}
    for resource in RESOURCES.values()
    if resource.type == "AWS::Logs::LogGroup"
]
ACTS = [
    # "Granting permissions to publish event notification messages" (S3), "SQS and KMS"
    Act("s3.amazonaws.com", "sqs:SendMessage", "UploadQueue",
        {"aws:sourcearn": arn("Uploads"), "aws:sourceaccount": ACCOUNT}),
    *_key("s3.amazonaws.com", _TO_UPLOADS, "GenerateDataKey", "Decrypt"),
    # "Troubleshooting: my rule runs but no messages are published" (EventBridge): it states no
    # source account to KMS
    Act("events.amazonaws.com", "sqs:SendMessage", "CatalogQueue",
        {"aws:sourcearn": arn("JobEvents")}),
    *_key("events.amazonaws.com", _TO_CATALOG, "GenerateDataKey", "Decrypt"),
    # "Notifying users on alarm changes" (CloudWatch)
    *_key("cloudwatch.amazonaws.com", _ALARMS, "GenerateDataKey", "Decrypt"),
    # "Amazon S3 bucket policy for CloudTrail", "AWS KMS key policies for CloudTrail"
    Act("cloudtrail.amazonaws.com", "s3:GetBucketAcl", "AccessLogs", _TRAIL),
    Act("cloudtrail.amazonaws.com", "s3:PutObject", "AccessLogs", _TRAIL,
        f"/cloudtrail/AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/11/26/x.json.gz"),
    *_key("cloudtrail.amazonaws.com", _TRAIL, "GenerateDataKey", "DescribeKey"),
    # "Encrypt log data in CloudWatch Logs using AWS KMS"
    *(act for states in _LOGS for act in _key(
        f"logs.{REGION}.amazonaws.com", states, "Encrypt", "Decrypt", "GenerateDataKey",
        "ReEncryptFrom", "ReEncryptTo", "DescribeKey")),
    # "Enabling Amazon S3 server access logging"
    *(Act("logging.s3.amazonaws.com", "s3:PutObject", "AccessLogs", {"aws:sourceaccount": ACCOUNT},
          f"/{folder}/x") for folder in ("uploads", "results", "artifacts")),
]  # fmt: skip


def decided(act: Act, states: dict[str, str]) -> str:
    resource = RESOURCES[act.on]
    context = evaluator.EvalContext(
        principal_arn=f"arn:aws:iam::999999999999:role/{act.service}",
        principal_type="AWSService",
        principal_account="999999999999",
        action=act.action,
        resource_arn=resource.arn + act.suffix,
        region=REGION,
        secure_transport=True,
        service_context=dict(states),
    )
    policy: Any = ACCESS.policies[resource.arn]
    return str(evaluator.evaluate_resource_policy(policy, context, act.service).decision)


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_a_service_may_do_its_part_for_this_stack_alone(act: Act) -> None:
    assert decided(act, act.states) == "Allow"
    others = {name: value.replace(NAME, "another").replace(ACCOUNT, "210987654321")
              for name, value in act.states.items()}  # fmt: skip
    assert decided(act, others) != "Allow"
    assert decided(act, {}) != "Allow"


def test_a_service_that_has_no_part_may_nothing() -> None:
    for act in ACTS:
        stranger = Act("sns.amazonaws.com", act.action, act.on, act.states, act.suffix)
        assert decided(stranger, act.states) != "Allow"


def test_nothing_else_in_the_key_policy() -> None:
    """Each statement of the key, but the account's own, is one of these services'."""
    statements = ACCESS.policies[arn("DataKey")]["Statement"]
    named = {s["Principal"]["Service"] for s in statements if "Service" in s["Principal"]}
    assert named == {act.service for act in ACTS if act.on == "DataKey"}
