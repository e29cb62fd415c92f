"""The stack of `template.yaml`, resolved for one account: what its statements really say."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services.cloudformation import engine

from cli.deploying.build import ROOT
from local_cloud.access.of_stack import Resource

REGION, ACCOUNT, NAME = "eu-west-1", "123456789012", "darkroom"
_FILE = ROOT / "template.yaml"

Resources = dict[str, dict[str, Any]]


def _arn(service: str, name: str, where: str = f"{REGION}:{ACCOUNT}") -> str:
    return f"arn:aws:{service}:{where}:{name}"


def _made(logical_id: str, kind: str, about: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """What a resource is called when it is there: its physical id, and its attributes."""
    given = {
        "AWS::S3::Bucket": ("s3", about.get("BucketName"), ":"),
        "AWS::SQS::Queue": ("sqs", about.get("QueueName"), None),
        "AWS::DynamoDB::Table": ("dynamodb", f"table/{about.get('TableName')}", None),
        "AWS::KMS::Key": ("kms", f"key/{logical_id}", None),
        "AWS::SNS::Topic": ("sns", about.get("TopicName"), None),
        "AWS::Logs::LogGroup": ("logs", f"log-group:{about.get('LogGroupName')}:*", None),
        "AWS::EMRServerless::Application": ("emr-serverless", "/applications/00f", None),
        "AWS::IAM::Role": ("iam", f"role/{NAME}-{logical_id}", f":{ACCOUNT}"),
        "AWS::IAM::ManagedPolicy": ("iam", f"policy/{NAME}-{logical_id}", f":{ACCOUNT}"),
        "AWS::Events::Rule": ("events", f"rule/{about.get('Name')}", None),
        "AWS::Serverless::Function": ("lambda", f"function:{about.get('FunctionName')}", None),
    }
    service, name, where = given.get(kind, ("", logical_id.lower(), None))
    arn = _arn(service, str(name), where or f"{REGION}:{ACCOUNT}") if service else ""
    physical = {
        "AWS::S3::Bucket": str(name),
        "AWS::SQS::Queue": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}",
        "AWS::DynamoDB::Table": str(about.get("TableName")),
        "AWS::KMS::Key": logical_id,
        "AWS::IAM::Role": f"{NAME}-{logical_id}",
        "AWS::Glue::Database": NAME.replace("-", "_"),
        "AWS::Serverless::Function": str(about.get("FunctionName")),
        "AWS::Logs::LogGroup": str(about.get("LogGroupName")),
    }.get(kind, arn or str(name))
    known = {"Arn": arn, "QueueName": str(name), "ApplicationId": "00f", "KeyId": logical_id}
    return physical, known


def resolved(template: dict[str, Any], **parameters: str) -> list[Resource]:
    """The template's resources, with properties as CloudFormation would give them on."""
    set_request_account_id(ACCOUNT)
    set_request_region(REGION)
    given = [{"Key": name, "Value": value} for name, value in parameters.items()]
    values = engine._resolve_parameters(template, given)
    conditions = engine._evaluate_conditions(template, values)
    there: Resources = {}

    def resolve(value: Any) -> Any:
        return engine._resolve_refs(
            deepcopy(value), there, values, conditions, {}, NAME, f"stack/{NAME}"
        )

    kept = {name: made for name, made in template["Resources"].items()
            if conditions.get(made.get("Condition"), True)}  # fmt: skip
    for logical_id, about in kept.items():  # names first: everything else may refer to them
        names = {key: value for key, value in about["Properties"].items() if key.endswith("Name")}
        physical, known = _made(logical_id, about["Type"], resolve(names))
        there[logical_id] = {"PhysicalResourceId": physical, "Attributes": known,
                             "ResourceType": about["Type"]}  # fmt: skip
    return [
        Resource(
            logical_id,
            about["Type"],
            there[logical_id]["PhysicalResourceId"],
            there[logical_id]["Attributes"]["Arn"],
            resolve(about["Properties"]),
        )
        for logical_id, about in kept.items()
    ]


def template() -> dict[str, Any]:
    """As it is in the file."""
    read: dict[str, Any] = engine._parse_template(_FILE.read_text())
    return read


@dataclass(frozen=True)
class Statement:
    """One of a role's, as it stands in the template. `line` is where it begins."""

    role: str
    index: int
    line: int


def statements() -> Iterator[Statement]:
    """Of all roles; a statement that several have (by an anchor) is one of each."""
    root = yaml.compose(_FILE.read_text())
    for name, about in _pairs(_child(root, "Resources")):
        properties = _child(about, "Properties")
        if _child(about, "Type").value == "AWS::IAM::Role":
            (policy,) = _child(properties, "Policies").value
            listed = _child(_child(policy, "PolicyDocument"), "Statement").value
            for index, node in enumerate(listed):
                yield Statement(name, index, node.start_mark.line + 1)


def _child(node: Any, name: str) -> Any:
    return next(value for key, value in _pairs(node) if key == name)


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    return ((key.value, value) for key, value in node.value)
