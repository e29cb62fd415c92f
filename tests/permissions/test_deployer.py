"""`docs/policies/deploy.json` allows what CloudFormation does in the deployer's name: what each
resource type of the template says that its handlers need (cfn-lint brings AWS' own schemas)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest
from ministack.core import iam_evaluator as evaluator

from local_cloud.access.asks import Ask
from local_cloud.access.decisions import ALLOWED, Decisions, Principal
from local_cloud.access.of_stack import Resource
from tests.permissions.stack import ACCOUNT, NAME, REGION, resolved, template
from tests.project import ROOT

POLICIES = ROOT / "docs" / "policies"
_HANDLERS = ("create", "read", "update", "delete")
# What handlers say they need for what the template has nothing of.
_NOT_OURS = {
    "ec2": "functions in a VPC", "elasticfilesystem": "functions with file systems",
    "s3files": "functions with file systems", "ecr": "images as code", "sso": "Identity Center",
    "organizations": "trails of an organization", "kinesis": "streams of a table",
    "firehose": "logs by Firehose", "lakeformation": "Iceberg tables", "s3tables": "Iceberg tables",
    "cloudfront": "domains of the owner's own",
}  # fmt: skip
_NOT_OURS_EITHER = {
    "iam:AttachUserPolicy": "policies of users",
    "iam:DetachUserPolicy": "policies of users",
    "iam:AttachGroupPolicy": "policies of groups",
    "iam:DetachGroupPolicy": "policies of groups",
    "iam:PutRolePermissionsBoundary": "boundaries",
    "iam:DeleteRolePermissionsBoundary": "boundaries",
    "glue:CreateConnection": "connections",
    "glue:DeleteConnection": "connections",
    "glue:GetConnection": "connections",
    "glue:UpdateConnection": "connections",
    "glue:PassConnection": "connections",
    "glue:GetSchemaVersion": "a registry of schemas",
    "kms:ListKeys": "aliases",
    "kms:ListAliases": "aliases",
    "kms:CreateAlias": "aliases",
    "kms:UpdateAlias": "aliases",
    "kms:DeleteAlias": "aliases",
}
# Names that are no action of any service, in the schemas as they are.
_MISSPELT = {"s3:REST.PUT.OBJECT", "s3:getObject", "logs:PutBearerTokenAuthentication"}


@cache
def stack() -> tuple[Resource, ...]:
    return tuple(resolved(template()))


@cache
def needed() -> frozenset[str]:
    """What the handlers of the template's types need."""
    types = {resource.type for resource in stack()}
    if "AWS::Serverless::Function" in types:
        types |= {"AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"}
    found = set()
    folder = Path(str(cfnlint.__file__)).parent / "data" / "schemas" / "resources"
    for file in folder.glob("*.json"):
        schema = json.loads(file.read_text())
        if schema.get("typeName") in types:
            handlers = schema.get("handlers", {})
            found |= {
                p for name in _HANDLERS for p in handlers.get(name, {}).get("permissions", ())
            }
    return frozenset(found)


def ours() -> Iterator[str]:
    for action in sorted(needed() - _MISSPELT - set(_NOT_OURS_EITHER)):
        service, _, name = action.partition(":")
        if service not in _NOT_OURS:
            yield f"{service.lower()}:{name}"


@cache
def policy() -> list[Any]:
    text = (POLICIES / "deploy.json").read_text()
    for word, value in {"DATABASE": NAME, "STACK": NAME, "ACCOUNT": ACCOUNT,
                        "REGION": REGION}.items():  # fmt: skip
        text = text.replace(word, value)
    return list(evaluator.parse_policy_document(json.loads(text)))


def allowed(action: str, resource: str) -> bool:
    who = Principal(f"arn:aws:iam::{ACCOUNT}:user/deployer", [policy()])
    states = (("aws:resourcetag/darkroom-stack", NAME), ("aws:requesttag/darkroom-stack", NAME),
              ("lambda:functionarn", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{NAME}-api"),
              ("iam:awsservicename", "ops.emr-serverless.amazonaws.com"),
              ("iam:passedtoservice", "lambda.amazonaws.com"))  # fmt: skip
    decisions = Decisions(REGION, ACCOUNT, lambda arn: None)
    return decisions.decide(who, Ask(action, resource, states)) == ALLOWED


def resources(service: str) -> list[str]:
    """Of the stack, as the service names them."""
    own = [r.arn for r in stack() if r.arn.split(":")[2:3] == [service]]
    named = {
        "apigateway": [f"arn:aws:apigateway:{REGION}::/apis/x/routes"],
        "cognito-idp": [f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/x"],
        "cloudwatch": [f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{NAME}-failed-runs",
                       f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{NAME}"],
        "cloudtrail": [f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{NAME}"],
        "glue": [f"arn:aws:glue:{REGION}:{ACCOUNT}:{what}"
                 for what in ("catalog", f"database/{NAME}", f"table/{NAME}/features")],
        "lambda": [f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:x"],
    }  # fmt: skip
    linked = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/ops.emr-serverless.amazonaws.com/x"
    return [*own, *named.get(service, []), "*", *([linked] if service == "iam" else [])]


@cache
def actions_without_resources() -> frozenset[str]:
    """Of AWS' reference, as cfn-lint brings it: a policy has to say `*` for these."""
    file = Path(str(cfnlint.__file__)).parent / "data" / "AdditionalSpecs" / "Policies.json"
    return frozenset(
        f"{service}:{action}"
        for service, told in json.loads(file.read_text()).items()
        for action, about in told["Actions"].items()
        if not about.get("Resources")
    )


@pytest.mark.parametrize("service", sorted({action.partition(":")[0] for action in ours()}))
def test_who_deploys_may_what_cloudformation_does(service: str) -> None:
    actions = [action for action in ours() if action.startswith(f"{service}:")]
    everywhere = actions_without_resources()
    denied = [
        action for action in actions
        if not any(allowed(action, arn) for arn in
                   (["*"] if action.lower() in everywhere else resources(service)))
    ]  # fmt: skip
    assert denied == []


def test_who_deploys_may_nothing_with_another_stacks_resources() -> None:
    for arn, action in {
        "arn:aws:s3:::another-uploads-123456789012-eu-west-1/x": "s3:GetObject",
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:another-uploads": "sqs:DeleteQueue",
        f"arn:aws:iam::{ACCOUNT}:role/another": "iam:PassRole",
        f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/another-runs": "dynamodb:Scan",
        f"arn:aws:glue:{REGION}:{ACCOUNT}:database/another": "glue:DeleteDatabase",
    }.items():
        assert not allowed(action, arn)


def test_it_fits_into_a_managed_policy() -> None:
    """6,144 characters without white space ("IAM and AWS STS quotas")."""
    for file in POLICIES.glob("*.json"):
        assert len("".join(file.read_text().split())) <= 6144, file.name
