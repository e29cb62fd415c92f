"""`deploy` and `destroy` on a local cloud that refuses what AWS refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.deploying import cloudformation, verify_deployment
from cli.deploying.application import bring_to_rest
from cli.deploying.deploy import Deployment, code_bucket, deploy
from cli.deploying.destroy import data_buckets, destroy
from cli.deploying.locally import deploy_locally
from cli.on_stack.stack import Stack, open_stack
from darkroom.errors import DarkroomError, UsageError
from functions.runs.records import State
from local_cloud import control
from local_cloud.server import ACCOUNT
from tests.conftest import jpeg
from tests.stack.local_stack import NAME, local_stack
from tests.waiting import finished, in_state

pytestmark = [pytest.mark.long, pytest.mark.own_cloud]

REGION = control.REGION


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deploying")


@pytest.fixture(scope="module")
def stack(place: Path) -> Iterator[Stack]:
    with local_stack(place, quiet_seconds=1) as made:
        yield made


@pytest.fixture(scope="module")
def model(place: Path, stack: Stack) -> Path:
    return place / "model" / "mobilenet_v2.onnx"


def again(stack: Stack, model: Path, stop_jobs: bool = False, **parameters: str) -> Stack:
    deployed = deploy(
        Deployment(stack.name, REGION, model, {"PageOrigin": "http://127.0.0.1:1", **parameters},
                   archive=False, check=False, stop_jobs=stop_jobs)
    )  # fmt: skip
    assert deployed is not None
    return deployed


def application(stack: Stack) -> Any:
    emr = boto3.client("emr-serverless")
    number = stack.outputs["ApplicationId"]
    return emr.get_application(applicationId=number)["application"]


def a_run(stack: Stack, batch: str) -> None:
    stack.s3.put_object(Bucket=stack.uploads, Key=f"{batch}/one.jpg", Body=jpeg(1))
    stack.s3.put_object(Bucket=stack.uploads, Key=f"{batch}/_READY", Body=b'{"images": 1}')


def test_a_changed_application_right_after_a_run(stack: Stack, model: Path) -> None:
    """It is STARTED then, and AWS refuses to change it."""
    a_run(stack, "first")
    finished(stack, "first")
    assert application(stack)["state"] == "STARTED"
    number = application(stack)["applicationId"]
    again(stack, model, MaximumVcpu="8")
    changed = application(stack)
    assert changed["applicationId"] == number  # a new one would know no job
    assert (changed["state"], changed["maximumCapacity"]["cpu"]) == ("STOPPED", "8 vCPU")
    a_run(stack, "second")
    assert finished(stack, "second").state == State.DONE


def test_what_does_not_touch_the_application_does_not_stop_it(stack: Stack, model: Path) -> None:
    assert application(stack)["state"] == "STARTED"
    again(stack, model, RunLimitMinutes="90")
    assert application(stack)["state"] == "STARTED"


def test_a_job_under_way_is_not_cut_off_unasked(stack: Stack, model: Path) -> None:
    a_run(stack, "third")
    in_state(stack, "third", State.SUBMITTED, State.RUNNING)
    with pytest.raises(UsageError, match=r"under way.*--stop-jobs"):
        destroy(stack.name, REGION, delete_data=False)
    bring_to_rest(stack.name, stop_jobs=True)
    assert finished(stack, "third").state == State.FAILED
    again(stack, model, MaximumVcpu="12")
    assert application(stack)["maximumCapacity"]["cpu"] == "12 vCPU"


def test_an_old_release_goes_when_no_job_can_be_at_it_any_more(
    stack: Stack, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, releases = model.read_bytes(), []
    for content in (b"one", b"two", b"three"):
        model.write_bytes(content)
        releases.append(again(stack, model).parameters["Release"])
    assert set(releases) <= _releases(stack)
    minutes = -float(stack.parameters["JobTimeoutMinutes"])
    monkeypatch.setattr("cli.deploying.deploy.QUEUE_MINUTES", minutes)
    model.write_bytes(whole)
    now = again(stack, model).parameters["Release"]
    assert _releases(stack) == {now, releases[-1]}
    code = stack.s3.list_objects_v2(Bucket=code_bucket(NAME, ACCOUNT, REGION))["Contents"]
    packaged = str(boto3.client("cloudformation").get_template(StackName=NAME)["TemplateBody"])
    assert [found["Key"] for found in code if found["Key"] not in packaged] == []


def _releases(stack: Stack) -> set[str]:
    return {key.split("/")[1] for key in stack.artifacts.list("jobs")}


def test_the_check_ends_with_what_is_known(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody works on the queue of uploads."""
    mappings: Any = boto3.client("lambda")
    (uploads,) = mappings.list_event_source_mappings(FunctionName=f"{NAME}-collect-uploads")[
        "EventSourceMappings"
    ]
    mappings.update_event_source_mapping(UUID=uploads["UUID"], Enabled=False)
    monkeypatch.setattr(verify_deployment, "PATIENCE_SECONDS", 2.0)
    with pytest.raises(DarkroomError) as failed:
        verify_deployment.verify(stack)
    mappings.update_event_source_mapping(UUID=uploads["UUID"], Enabled=True)
    told = str(failed.value)
    assert "no run knows of its upload" in told
    assert "uploads are on their way" in told
    assert "look at collect-uploads" in told
    assert "collect-uploads wrote:" in told


@pytest.mark.parametrize("taken", ["bucket", "table"])
def test_a_stack_that_failed_to_be_made_is_cleared_away(
    place: Path, stack: Stack, model: Path, taken: str
) -> None:
    """And says what failed first: found before anything is made, or while it is made."""
    name, cloud = f"darkroom-broken-{taken}", control.require(place / "state")
    if taken == "bucket":
        first = data_buckets(name, ACCOUNT, REGION)[1]
        where: Any = {"LocationConstraint": REGION}
        stack.s3.create_bucket(Bucket=first, CreateBucketConfiguration=where)
    else:
        _make_table(f"{name}-runs")
    words = {"bucket": "Results", "table": "Runs"}[taken]
    with pytest.raises(DarkroomError, match=rf"{words}: .*\n?.*--delete-data"):
        deploy_locally(name, cloud, model, 1)
    assert cloudformation.status_of(name) in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
    assert _keys(name) == []
    destroy(name, REGION, delete_data=True)
    deploy_locally(name, cloud, model, 1)
    assert cloudformation.status_of(name) == "CREATE_COMPLETE"
    assert cloudformation.why_not(name) == ""  # what failed before is of another deployment


def _make_table(name: str) -> None:
    boto3.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "batch", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "batch", "KeyType": "HASH"}],
    )


def test_destroy_right_after_a_run_and_once_more_with_the_data(stack: Stack) -> None:
    name = "darkroom-broken-table"
    other = open_stack(name)
    a_run(other, "last")
    assert finished(other, "last").state == State.DONE
    assert application(other)["state"] == "STARTED"
    pools = boto3.client("cognito-idp")
    pool = cloudformation.resource(name, "People")
    assert len(_keys(name)) == 2
    (told, how) = destroy(name, REGION, delete_data=False)
    assert "removed" in told
    assert "--delete-data" in how
    assert cloudformation.status_of(name) is None
    there = [bucket["Name"] for bucket in stack.s3.list_buckets()["Buckets"]]
    assert set(data_buckets(name, ACCOUNT, REGION)) <= set(there)
    (told, how) = destroy(name, REGION, delete_data=True)
    assert "35 days" in how
    there = [bucket["Name"] for bucket in stack.s3.list_buckets()["Buckets"]]
    assert [bucket for bucket in there if bucket.startswith(name)] == []
    assert _keys(name) == []
    with pytest.raises(pools.exceptions.ResourceNotFoundException):
        pools.describe_user_pool(UserPoolId=pool)
    assert f"{name}-runs" not in boto3.client("dynamodb").list_tables()["TableNames"]
    with pytest.raises(UsageError, match="there is no stack"):
        destroy(name, REGION, delete_data=False)


def _keys(name: str) -> list[str]:
    """The stack's keys that are not about to be deleted."""
    tags = boto3.client("resourcegroupstaggingapi")
    found = tags.get_resources(TagFilters=[{"Key": "darkroom-stack", "Values": [name]}])
    arns = [item["ResourceARN"] for item in found["ResourceTagMappingList"]]
    kms = boto3.client("kms")
    keys = [arn for arn in arns if ":kms:" in arn]
    return [k for k in keys if kms.describe_key(KeyId=k)["KeyMetadata"]["KeyState"] == "Enabled"]
