"""`darkroom doctor`: what an account or a person may have changed, looked at from outside.

Each check says what it found, and what to do about a fault. Nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from cli.deploying.cloudformation import resource, status_of
from cli.deploying.deploy import account_id
from cli.deploying.endpoint import is_on_this_machine
from cli.on_stack.backlog import backlog_words
from cli.on_stack.stack import Stack
from darkroom.regions import require_eu

_AGAIN = "`darkroom deploy` puts it right"
_FUNCTIONS = ("collect-uploads", "unpack-archive", "submit-job", "small-job", "catalog-results")
_EVENTS, _S3 = "events.amazonaws.com", "s3.amazonaws.com"


@dataclass(frozen=True)
class Finding:
    """What a check found; `fault`, and what to `do` about it, are '' where all is well."""

    check: str
    seen: str
    fault: str = ""
    do: str = ""


def examine(stack: Stack) -> Iterator[Finding]:
    """All checks, in the order in which an image meets what they look at."""
    for check in _CHECKS:
        name = check.__name__.removeprefix("_").replace("_", " ")
        try:
            yield from (Finding(name, *found) for found in check(stack))
        except (ClientError, BotoCoreError) as error:
            may = "docs/policies/deploy.json lists what the doctor may look at"
            yield Finding(name, "could not look", str(error), may)


Found = Iterator[tuple[str, str, str]]


def _region(stack: Stack) -> Found:
    region = boto3.session.Session().region_name
    require_eu(region)
    yield f"{region}, account {'of this machine' if is_on_this_machine() else account_id()}", "", ""


def _stack(stack: Stack) -> Found:
    status = status_of(stack.name) or "gone"
    whole = status.endswith("_COMPLETE") and not status.startswith("DELETE")
    yield status, "" if whole else f"the stack is {status}", "" if whole else _AGAIN


def _key(stack: Stack) -> Found:
    kms: Any = boto3.client("kms")
    key = stack.outputs["DataKey"]
    state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    if state != "Enabled":
        yield (
            state,
            f"nothing can be read or written while the key is {state}",
            (f"aws kms cancel-key-deletion, or enable-key, --key-id {key}"),
        )
        return
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    for service, logical_id in ((_S3, "UploadQueue"), (_EVENTS, "CatalogQueue")):
        written_to = _queue_arn(resource(stack.name, logical_id))
        states = {"kms:EncryptionContext:aws:sqs:arn": written_to}
        lets = _lets(policy, service, {"kms:Decrypt", "kms:GenerateDataKey"}, states)
        yield _lacks(lets, f"{state}, and {service} may use it for {logical_id}")


def _uploads(stack: Stack) -> Found:
    queue = _queue_arn(resource(stack.name, "UploadQueue"))
    told = stack.s3.get_bucket_notification_configuration(Bucket=stack.uploads)
    queues = [item["QueueArn"] for item in told.get("QueueConfigurations", [])]
    yield _lacks(queue in queues, "the bucket tells the queue of its uploads")


def _queue_policies(stack: Stack) -> Found:
    rule = boto3.client("events").describe_rule(Name=f"{stack.name}-job-events")["Arn"]
    bucket = f"arn:{rule.split(':')[1]}:s3:::{stack.uploads}"
    for logical_id, service, source in (
        ("UploadQueue", _S3, bucket), ("CatalogQueue", _EVENTS, rule),
    ):  # fmt: skip
        attributes = boto3.client("sqs").get_queue_attributes(
            QueueUrl=resource(stack.name, logical_id), AttributeNames=["Policy"]
        )
        policy = json.loads(attributes.get("Attributes", {}).get("Policy") or '{"Statement": []}')
        lets = _lets(policy, service, {"sqs:SendMessage"}, {"aws:SourceArn": source})
        yield _lacks(lets, f"{logical_id} lets {service} send")


def _functions(stack: Stack) -> Found:
    client: Any = boto3.client("lambda")
    for name in _FUNCTIONS:
        mappings = client.list_event_source_mappings(FunctionName=f"{stack.name}-{name}")
        states = [found["State"] for found in mappings["EventSourceMappings"]]
        yield _lacks("Enabled" in states or "Enabling" in states, f"{name} is called by its queue")


def _rules(stack: Stack) -> Found:
    events: Any = boto3.client("events")
    for name in ("job-events", "reconcile"):
        state = events.describe_rule(Name=f"{stack.name}-{name}")["State"]
        yield _lacks(state == "ENABLED", f"the rule {name} is enabled")


def _spark_application(stack: Stack) -> Found:
    emr: Any = boto3.client("emr-serverless")
    number = stack.outputs["ApplicationId"]
    told = emr.get_application(applicationId=number)["application"]
    starts = told.get("autoStartConfiguration", {}).get("enabled", True)
    yield (
        f"{told['state']}, {told['releaseLabel']}, up to "
        f"{told.get('maximumCapacity', {}).get('cpu', 'any number of vCPU')}",
        "" if starts else "it does not start itself",
        "" if starts else _AGAIN,
    )


def _quota(stack: Stack) -> Found:
    if is_on_this_machine():
        return
    pages = boto3.client("service-quotas").get_paginator("list_service_quotas")
    quotas = [q for page in pages.paginate(ServiceCode="emr-serverless") for q in page["Quotas"]]
    most = next((q["Value"] for q in quotas if "vCPU" in q["QuotaName"]), None)
    wanted = float(stack.parameters["MaximumVcpu"])
    fits = most is None or most >= wanted
    yield (
        f"the account may use {most} vCPU at once",
        "" if fits else f"the stack's MaximumVcpu is {wanted:.0f}",
        "" if fits else "raise the quota (Service Quotas, EMR Serverless), or lower MaximumVcpu",
    )


def _lake_formation(stack: Stack) -> Found:
    if is_on_this_machine():
        return
    told: Any = boto3.client("lakeformation").get_data_lake_settings()["DataLakeSettings"]
    everybody = [
        given["Principal"]["DataLakePrincipalIdentifier"] == "IAM_ALLOWED_PRINCIPALS"
        for given in told.get("CreateTableDefaultPermissions", [])
    ]
    yield (
        "IAM decides about new tables" if any(everybody) else "Lake Formation decides",
        "" if any(everybody) else "catalog-results may not make tables and partitions by IAM alone",
        "" if any(everybody) else "grant its role ALL on the database in Lake Formation",
    )


def _catalog(stack: Stack) -> Found:
    tables: Any = boto3.client("glue").get_tables(DatabaseName=stack.outputs["GlueDatabase"])
    names = {table["Name"] for table in tables["TableList"]}
    yield _lacks({"features", "rejected", "results_csv"} <= names, "the catalog has its tables")


def _queues(stack: Stack) -> Found:
    lines = list(backlog_words(stack))
    dead = [line for line in lines if "dead letters" in line]
    yield "; ".join(lines) or "empty", "; ".join(dead), "`darkroom redrive`" if dead else ""


def _alarms(stack: Stack) -> Found:
    told: Any = boto3.client("cloudwatch").describe_alarms(
        AlarmNamePrefix=f"{stack.name}-", StateValue="ALARM"
    )
    ringing = [alarm["AlarmName"] for alarm in told["MetricAlarms"]]
    yield (
        "quiet" if not ringing else ", ".join(ringing),
        "an alarm rings" if ringing else "",
        "docs/operations.md, When something is wrong" if ringing else "",
    )


_CHECKS: tuple[Callable[[Stack], Found], ...] = (
    _region, _stack, _key, _uploads, _queue_policies, _functions, _rules, _spark_application,
    _quota, _lake_formation, _catalog, _queues, _alarms,
)  # fmt: skip


def _lacks(is_well: bool, words: str) -> tuple[str, str, str]:
    return (words, "", "") if is_well else ("not so", f"it is not so that {words}", _AGAIN)


def _lets(policy: dict[str, Any], service: str, actions: set[str], states: dict[str, str]) -> bool:
    """Whether a statement of a resource's policy lets a service act, stating these conditions."""
    for statement in policy["Statement"]:
        principal = statement.get("Principal", {})
        named = principal.get("Service", []) if isinstance(principal, dict) else []
        allowed = {a.lower() for a in _listed(statement.get("Action", []))}
        asked = {key: value for block in statement.get("Condition", {}).values()
                 for key, value in block.items()}  # fmt: skip
        met = all(value in _listed(asked.get(key, [])) for key, value in states.items())
        if statement.get("Effect") == "Allow" and service in _listed(named) and met:
            actions = {action for action in actions if action.lower() not in allowed}
    return not actions


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _queue_arn(url: str) -> str:
    told = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(told["Attributes"]["QueueArn"])
