"""What the template promises about privacy, read from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cli.deploying.deploy import QUEUE_MINUTES
from tests.project import of_type


def test_no_role_can_leave_the_region_or_replicate() -> None:
    roles = of_type("AWS::IAM::Role")
    assert len(roles) == 9
    for role in roles.values():
        assert role["Properties"]["ManagedPolicyArns"] == [{"Ref": "StayHere"}]
    (policy,) = of_type("AWS::IAM::ManagedPolicy").values()
    statements = {s["Sid"]: s for s in policy["Properties"]["PolicyDocument"]["Statement"]}
    assert statements["ThisRegionOnly"]["Effect"] == "Deny"
    assert "s3:PutReplicationConfiguration" in statements["NoReplication"]["Action"]


def each_bucket_policy() -> list[list[dict[str, Any]]]:
    policies = of_type("AWS::S3::BucketPolicy").values()
    return [policy["Properties"]["PolicyDocument"]["Statement"] for policy in policies]


def test_every_bucket_denies_replication_and_plain_http() -> None:
    assert len(each_bucket_policy()) == len(of_type("AWS::S3::Bucket")) == 4
    for statements in each_bucket_policy():
        denied = {s["Sid"] for s in statements if s["Effect"] == "Deny"}
        assert {"TlsOnly", "NoReplication"} <= denied


def allowed(check: Callable[[Any], bool]) -> list[str]:
    """Sids or actions of statements in roles that a check finds."""
    found = []
    for name, role in of_type("AWS::IAM::Role").items():
        for policy in role["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                if check(statement):
                    found.append(f"{name}: {statement['Action']}")
    return found


def test_no_role_has_wild_actions_and_only_tracing_has_every_resource() -> None:
    def wild(statement: Any) -> bool:
        actions = statement["Action"]
        return any("*" in a for a in ([actions] if isinstance(actions, str) else actions))

    assert allowed(wild) == []
    everywhere = allowed(lambda statement: statement["Resource"] == "*")
    assert all("xray:PutTraceSegments" in found for found in everywhere)
    (passing,) = [
        statement
        for role in of_type("AWS::IAM::Role").values()
        for policy in role["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "iam:PassRole"
    ]
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "emr-serverless.amazonaws.com"}
    }


def test_everything_that_is_stored_has_the_stacks_key() -> None:
    key = {"Fn::GetAtt": ["DataKey", "Arn"]}
    for name, bucket in of_type("AWS::S3::Bucket").items():
        (rule,) = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        used = rule["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        assert used == (None if name == "AccessLogs" else key)
    for queue in of_type("AWS::SQS::Queue").values():
        assert queue["Properties"]["KmsMasterKeyId"] == {"Ref": "DataKey"}
    for group in of_type("AWS::Logs::LogGroup").values():
        assert group["Properties"]["KmsKeyId"] == key
    (table,) = of_type("AWS::DynamoDB::Table").values()
    assert table["Properties"]["SSESpecification"]["KMSMasterKeyId"] == key
    data_key = of_type("AWS::KMS::Key")["DataKey"]
    assert data_key["Properties"]["EnableKeyRotation"]


def test_everything_that_is_stored_expires() -> None:
    for bucket in of_type("AWS::S3::Bucket").values():
        rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
        assert any("ExpirationInDays" in rule for rule in rules)
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    uploads = of_type("AWS::S3::Bucket")["Uploads"]["Properties"]["LifecycleConfiguration"]
    assert any("NoncurrentVersionExpiration" in rule for rule in uploads["Rules"])
    for group in of_type("AWS::Logs::LogGroup").values():
        assert "RetentionInDays" in group["Properties"]
    for queue in of_type("AWS::SQS::Queue").values():
        assert queue["Properties"]["MessageRetentionPeriod"] <= 14 * 24 * 3600


def test_the_erasing_job_may_delete_images_but_not_read_them() -> None:
    def of_uploads(role: str) -> set[str]:
        (policy,) = of_type("AWS::IAM::Role")[role]["Properties"]["Policies"]
        return {
            action
            for statement in policy["PolicyDocument"]["Statement"]
            if "${Uploads.Arn}" in repr(statement["Resource"])
            for action in statement["Action"]
        }

    assert of_uploads("ErasureRole") == {"s3:DeleteObjectVersion", "s3:AbortMultipartUpload"}
    assert of_uploads("JobRole") == {"s3:GetObject", "s3:GetObjectVersion"}


def test_a_job_waits_no_longer_than_its_release_is_kept() -> None:
    (application,) = of_type("AWS::EMRServerless::Application").values()
    assert (
        application["Properties"]["SchedulerConfiguration"]["QueueTimeoutMinutes"] == QUEUE_MINUTES
    )
