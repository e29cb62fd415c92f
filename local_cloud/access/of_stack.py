"""What a stack's resources say about access: its roles' policies, the resources' own, and the keys
that they are encrypted with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """A resource with its properties resolved. `arn` is '' where it has none."""

    logical_id: str
    type: str
    physical_id: str
    arn: str
    properties: Mapping[str, Any]


@dataclass
class StackAccess:
    """Policies of roles by the role's name; policies and keys of resources by their ARN."""

    roles: dict[str, list[Document]] = field(default_factory=dict)
    policies: dict[str, Document] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


def access_of(resources: Iterable[Resource]) -> StackAccess:
    """Of a stack's resources; of several stacks', if they are given together."""
    given = list(resources)
    managed = {r.physical_id: r.properties["PolicyDocument"]
               for r in given if r.type == "AWS::IAM::ManagedPolicy"}  # fmt: skip
    arns = {r.physical_id: r.arn for r in given}
    access = StackAccess()
    for resource in given:
        about = resource.properties
        if resource.type == "AWS::IAM::Role":
            attached = [managed[a] for a in about.get("ManagedPolicyArns", []) if a in managed]
            inline = [policy["PolicyDocument"] for policy in about.get("Policies", [])]
            access.roles[resource.physical_id] = [*inline, *attached]
        elif resource.type == "AWS::S3::BucketPolicy":
            access.policies[f"arn:aws:s3:::{about['Bucket']}"] = about["PolicyDocument"]
        elif resource.type == "AWS::SQS::QueuePolicy":
            for url in about["Queues"]:
                access.policies[arns[url]] = about["PolicyDocument"]
        elif resource.type == "AWS::KMS::Key" and "KeyPolicy" in about:
            access.policies[resource.arn] = about["KeyPolicy"]
        elif key := _key(resource):
            access.keys[resource.arn] = arns.get(key, key)
    return access


def _key(resource: Resource) -> str:
    """The key, by its id or its ARN, that a resource is encrypted with."""
    about = resource.properties
    if resource.type == "AWS::S3::Bucket":
        rules = about.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
        defaults = [rule.get("ServerSideEncryptionByDefault", {}) for rule in rules]
        return next((str(d["KMSMasterKeyID"]) for d in defaults if "KMSMasterKeyID" in d), "")
    if resource.type in ("AWS::SQS::Queue", "AWS::SNS::Topic"):
        return str(about.get("KmsMasterKeyId", ""))
    if resource.type == "AWS::DynamoDB::Table":
        return str(about.get("SSESpecification", {}).get("KMSMasterKeyId", ""))
    return ""
