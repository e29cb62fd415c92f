"""The evaluator that the proofs rest on, by examples of AWS' own documentation.

Sources: "IAM JSON policy elements: Condition operators", "Policy evaluation logic", "Bucket policy
examples", "Multivalued context keys", "Key policies in AWS KMS".
"""

from __future__ import annotations

from typing import Any

import pytest
from ministack.core import iam_evaluator as evaluator

from local_cloud.access.asks import Ask
from local_cloud.access.decisions import Decisions, Principal

ACCOUNT = "111122223333"
BUCKET = "arn:aws:s3:::amzn-s3-demo-bucket"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234"


def statement(effect: str, action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def decide(statements: list[dict[str, Any]], ask: Ask, policy: dict[str, Any] | None = None) -> str:
    parsed = evaluator.parse_policy_document({"Statement": statements})
    who = Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/demo/session", [parsed])
    return Decisions("eu-west-1", ACCOUNT, lambda arn: policy).decide(who, ask)


GET = Ask("s3:GetObject", f"{BUCKET}/photos/a.jpg")
ANY = statement("Allow", "*", "*")


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        pytest.param([], "ImplicitDeny", id="nothing is allowed at first"),
        pytest.param([statement("Allow", "s3:GetObject", f"{BUCKET}/*")], "Allow", id="allowed"),
        pytest.param([statement("Allow", "S3:getobject", f"{BUCKET}/*")], "Allow", id="case"),
        pytest.param([statement("Allow", "s3:Get*", f"{BUCKET}/photos/?.jpg")], "Allow",
                     id="wildcards"),
        pytest.param([statement("Allow", "s3:GetObject", BUCKET)], "ImplicitDeny",
                     id="a bucket is not its objects"),
        pytest.param([statement("Allow", "s3:GetObject", f"{BUCKET}/Photos/*")], "ImplicitDeny",
                     id="resources have a case"),
        pytest.param([ANY, statement("Deny", "s3:GetObject", "*")], "Deny",
                     id="a deny outweighs any allow"),
        pytest.param([ANY, {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}], "Deny",
                     id="not action"),
        pytest.param([ANY, {"Effect": "Deny", "Action": "*", "NotResource": f"{BUCKET}/*"}],
                     "Allow", id="not resource"),
    ],
)  # fmt: skip
def test_statements(statements: list[dict[str, Any]], decision: str) -> None:
    assert decide(statements, GET) == decision


@pytest.mark.parametrize(
    ("condition", "states", "holds"),
    [
        ({"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
         {"kms:viaservice": "s3.eu-west-1.amazonaws.com"}, True),
        ({"StringEquals": {"kms:ViaService": ["a", "b"]}}, {"kms:viaservice": "b"}, True),
        ({"StringEquals": {"kms:ViaService": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"kms:ViaService": "a"}}, {}, True),
        ({"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}, {}, False),
        ({"StringNotEquals": {"aws:RequestedRegion": ["us-east-1", "us-east-2"]}}, {}, True),
        ({"StringLike": {"kms:ViaService": ["s3.*.amazonaws.*"]}},
         {"kms:viaservice": "s3.eu-west-1.amazonaws.com"}, True),
        ({"StringLike": {"kms:ViaService": ["S3.*"]}},
         {"kms:viaservice": "s3.eu-west-1.amazonaws.com"}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-west-1:*:topic"}},
         {"aws:sourcearn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:topic"}, True),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:1:topic"}},
         {"aws:sourcearn": "arn:aws:sns:eu-west-1:2:topic"}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, {}, False),
        ({"Null": {"aws:SourceArn": "true"}}, {}, True),
        ({"StringEquals": {"kms:ViaService": "a"}, "Bool": {"aws:SecureTransport": "false"}},
         {"kms:viaservice": "a"}, False),
    ],
    ids=["equal", "one of", "absent", "if exists", "not equal", "neither of", "like",
         "like has a case", "arn like", "arn equals", "bool", "null", "all of them"],
)  # fmt: skip
def test_conditions(condition: dict[str, Any], states: dict[str, str], holds: bool) -> None:
    ask = Ask(GET.action, GET.resource, tuple(states.items()))
    allowed = decide([statement("Allow", "*", "*", Condition=condition)], ask)
    assert (allowed == "Allow") == holds


def test_a_resources_policy_allows_or_denies_by_itself() -> None:
    who = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/demo"}
    allows = {"Statement": [statement("Allow", "s3:GetObject", f"{BUCKET}/*", Principal=who)]}
    denies = {"Statement": [statement("Deny", "s3:*", f"{BUCKET}/*", Principal="*")]}
    assert decide([], GET, allows) == "Allow"
    assert decide([ANY], GET, denies) == "Deny"


def test_a_key_has_to_allow_too() -> None:
    """A key's policy that names the account lets IAM decide; without it no role may, whatever IAM
    says."""
    ask = Ask("kms:Decrypt", KEY)
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    delegating = {"Statement": [statement("Allow", "kms:*", "*", Principal=root)]}
    assert decide([ANY], ask, delegating) == "Allow"
    assert decide([], ask, delegating) == "ImplicitDeny"
    assert decide([ANY], ask, {"Statement": []}) == "ImplicitDeny"
