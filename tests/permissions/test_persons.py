"""`docs/policies/`: each person's commands work with their policy and nothing more, on a local
cloud that decides every call."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from click.testing import CliRunner
from ministack.core import iam_evaluator as evaluator
from urllib3 import PoolManager

from cli.main import cli
from cli.on_stack.stack import Stack
from functions.runs.records import State
from local_cloud import control
from local_cloud.access.asks import Ask
from local_cloud.access.decisions import ALLOWED, Decisions, Principal
from local_cloud.access.notes import FOLDER
from local_cloud.server import ACCOUNT
from tests.conftest import jpeg
from tests.project import ROOT
from tests.stack.local_stack import NAME, aws, local_stack
from tests.waiting import finished, in_state

pytestmark = [pytest.mark.long, pytest.mark.own_cloud]

POLICIES = ROOT / "docs" / "policies"
REGION = control.REGION


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("persons")


@pytest.fixture(scope="module")
def notes(place: Path) -> Iterator[Path]:
    """Where this cloud notes what is asked for."""
    before = os.environ.get(FOLDER)
    os.environ[FOLDER] = str(place / "notes")
    (place / "notes").mkdir()
    yield place / "notes"
    os.environ.pop(FOLDER)
    if before:
        os.environ[FOLDER] = before


@pytest.fixture(scope="module")
def stack(place: Path, notes: Path) -> Iterator[Stack]:
    """With a batch that is done, one picture of which was rejected."""
    with local_stack(place, quiet_seconds=1) as made:
        for name, data in {**{f"{n}.jpg": jpeg(n) for n in range(120)}, "no.jpg": b"no"}.items():
            made.s3.put_object(Bucket=made.uploads, Key=f"old/apple/{name}", Body=data)
        made.s3.put_object(Bucket=made.uploads, Key="old/_READY", Body=b"")
        assert finished(made, "old").state == State.DONE
        yield made


@dataclass(frozen=True)
class Person:
    """Somebody with a policy of `docs/policies/`, on this machine."""

    name: str
    keys: dict[str, str]

    def run(self, *words: str | Path) -> str:
        """A command of Darkroom, or of the AWS CLI, which has to work."""
        spelled = [str(word) for word in words]
        before = dict(os.environ)
        os.environ.update(self.keys)
        try:
            return _aws(*spelled[1:]) if spelled[0] == "aws" else _darkroom(*spelled)
        finally:
            os.environ.clear()
            os.environ.update(before)
            boto3.setup_default_session()  # the former has read other keys


def _aws(*words: str) -> str:
    try:
        return aws(*words)
    except subprocess.CalledProcessError as failed:
        raise AssertionError(f"{' '.join(words)}: {failed.stderr}") from failed


def _darkroom(*words: str) -> str:
    boto3.setup_default_session()
    done = CliRunner().invoke(cli, [*words, "--stack", NAME])
    assert done.exit_code == 0, f"{' '.join(words)}: {done.output}"
    return done.output


def policy(name: str, stack: Stack) -> dict[str, Any]:
    """As it is in the folder, with the stack's names in it."""
    text = (POLICIES / f"{name}.json").read_text()
    for word, value in {
        "DATA_KEY": stack.outputs["DataKey"], "SIGNING_KEY": stack.outputs["SigningKey"],
        "DATABASE": stack.outputs["GlueDatabase"], "STACK": NAME, "ACCOUNT": ACCOUNT,
        "REGION": REGION,
    }.items():  # fmt: skip
        text = text.replace(word, value)
    return dict(json.loads(text))


def person(name: str, stack: Stack) -> Person:
    iam = boto3.client("iam")
    iam.create_user(UserName=name)
    document = json.dumps(policy(name, stack))
    iam.put_user_policy(UserName=name, PolicyName="theirs", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}  # fmt: skip
    return Person(name, keys)


def unneeded(name: str, stack: Stack, notes: Path) -> str:
    """Grants of a policy without which everything that its person asked for is allowed still, a
    line each."""
    asks = set()
    for file in notes.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            told = json.loads(line)
            if told.get("who") == name:
                context = tuple((key, value) for key, value in told["context"])
                asks.add(Ask(told["action"], told["resource"], context))
    assert asks
    document = policy(name, stack)
    decisions = Decisions(REGION, ACCOUNT, lambda arn: None)
    found = []
    for index, statement in enumerate(document["Statement"]):
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                who = _without(document, index, action, resource)
                if all(decisions.decide(who, ask) == ALLOWED for ask in asks):
                    found.append(f"{statement['Sid']}: {action} {resource}")
    return "\n".join(found)


def _without(document: dict[str, Any], index: int, action: str, resource: str) -> Principal:
    kept = [s for number, s in enumerate(document["Statement"]) if number != index]
    statement = document["Statement"][index]
    for other in _listed(statement["Resource"]):
        actions = [a for a in _listed(statement["Action"]) if (a, other) != (action, resource)]
        kept.append({**statement, "Action": actions, "Resource": other})
    parsed = evaluator.parse_policy_document({"Statement": [s for s in kept if s["Action"]]})
    return Principal(f"arn:aws:iam::{ACCOUNT}:user/somebody", [parsed])


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_who_uploads(stack: Stack, place: Path, notes: Path) -> None:
    """By the AWS CLI, a small file and one that goes in parts."""
    somebody = person("upload", stack)
    small, large = place / "small.jpg", place / "large.jpg"
    small.write_bytes(jpeg(1))
    large.write_bytes(b"\0" * 9 * 1024**2)
    for file in (small, large):
        somebody.run("aws", "s3", "cp", file, f"s3://{stack.uploads}/cli/{file.name}")
    assert unneeded("upload", stack, notes) == ""


def test_who_puts(stack: Stack, place: Path, notes: Path) -> None:
    somebody = person("put", stack)
    folder = place / "new"
    (folder / "pear").mkdir(parents=True)
    (folder / "pear" / "1.jpg").write_bytes(jpeg(1))
    somebody.run("put", folder, "--batch", "new")
    somebody.run("put", folder, "--batch", "new", "--ready")  # what is there is compared
    assert unneeded("put", stack, notes) == ""
    in_state(stack, "new", State.RUNNING)


def test_who_reads(stack: Stack, place: Path, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = person("read", stack)
    somebody.run("status")
    somebody.run("status", "old")
    somebody.run("status", "new", "--watch")  # a job under way
    somebody.run("get", "old", "--out", place / "got")
    assert "outcome" in somebody.run("logs", "old")
    for asked in (("similar", "old/apple/1.jpg"), ("duplicates", "old"), ("drift", "old", "old")):
        somebody.run(*asked)
    assert unneeded("read", stack, notes) == ""


def test_who_answers_requests_about_personal_data(stack: Stack, notes: Path) -> None:
    somebody = person("privacy", stack)
    key = "old/apple/2.jpg"
    dead = next(url for url in stack.dead_letters if "uploads" in url)
    boto3.client("sqs").send_message(QueueUrl=dead, MessageBody="{}")
    assert "Results" in somebody.run("trace", key)
    said = somebody.run("erase", "--key", key, "--yes", "--why", "42")
    certificate = next(word for word in said.split() if "erasures/20" in word)
    somebody.run("verify", certificate)
    somebody.run("erasures")
    number = certificate.rpartition("/")[2].removesuffix(".json")
    somebody.run("unblock", "--request", number)
    assert unneeded("privacy", stack, notes) == ""
    boto3.client("sqs").purge_queue(QueueUrl=dead)


def test_who_deploys(stack: Stack) -> None:
    """What CloudFormation does in the deployer's name is in test_deployer.py; these are the
    commands' own calls."""
    somebody = person("deploy", stack)
    somebody.run("deploy", "--region", REGION, "--no-check", "--parameter", "RunLimitMinutes=90")
    assert "FAULT" not in somebody.run("doctor")


def test_who_operates(stack: Stack, notes: Path) -> None:
    somebody = person("operate", stack)
    for dead in stack.dead_letters:
        boto3.client("sqs").send_message(QueueUrl=dead, MessageBody="{}")
    somebody.run("redrive")
    somebody.run("retry", "old", "--rejected")
    stack.s3.put_object(Bucket=stack.uploads, Key="stopped/1.jpg", Body=jpeg(1))
    stack.s3.put_object(Bucket=stack.uploads, Key="stopped/_READY", Body=b"")
    job = in_state(stack, "stopped", State.RUNNING).job_run_id
    number = stack.outputs["ApplicationId"]
    boto3.client("emr-serverless").cancel_job_run(applicationId=number, jobRunId=job)
    assert finished(stack, "stopped").state == State.FAILED
    somebody.run("retry", "stopped")
    assert unneeded("operate", stack, notes) == ""


_TARGET = {"X-Amz-Target": "DynamoDB_20120810.DeleteTable"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_RESULTS = f"/{NAME}-results-{ACCOUNT}-{REGION}"
TRICKS = [
    ("s3", "DELETE", f"{_RESULTS}/receipts/old/run=1.json?Action=GetObject", {}, b""),
    ("s3", "PUT", f"{_RESULTS}/receipts/x", {"X-Amz-Target": "foo.GetObject"}, b"x"),
    ("s3", "PUT", f"{_RESULTS}/receipts/x", _FORM, b"Action=GetObject"),
    ("s3", "PUT", f"{_RESULTS}/receipts/x?x-amz-copy-source=/{NAME}-uploads-x/y", {}, b""),
    ("s3", "POST", f"{_RESULTS}/receipts/x?delete&uploads", {}, b""),
    ("s3", "POST", f"{_RESULTS}?delete", {}, b"no xml"),
    ("s3", "POST", "/_ministack/reset", {}, b""),
    ("s3", "PUT", "/_ministack/reset", {}, b""),
    ("s3", "GET", "/oauth2/token", {}, b""),
    ("s3", "POST", "/", _TARGET, b'{"TableName": "darkroom-test-runs"}'),
    ("dynamodb", "POST", "/?Action=Query", _TARGET, b'{"TableName": "darkroom-test-runs"}'),
    ("sts", "POST", "/", _TARGET, b'{"TableName": "darkroom-test-runs"}'),
    ("sts", "POST", "/_ministack/reset?Action=GetCallerIdentity", {}, b""),
    ("sts", "POST", "/_aws/sqs/messages", _FORM, b"Action=GetCallerIdentity"),
    ("lambda", "POST",
     f"/2015-03-31/functions/{NAME}-api/invocations?Action=ListFunctions", {}, b"{}"),
    ("dynamodb", "POST", "/", {**_TARGET, "Content-Encoding": "gzip"}, b"x"),
    ("dynamodb", "POST", "/", {"X-Amz-Target": "DynamoDB_20120810.BatchWriteItem"},
     b'{"RequestItems": {"darkroom-test-runs": [], "other": []}}'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "method", "path", "headers", "body"),
    TRICKS,
    ids=[f"{service}-{method}-{number}" for number, (service, method, *_) in enumerate(TRICKS)],
)
def test_a_request_is_decided_as_what_it_does(
    stack: Stack, service: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    """Whoever may read and put, and asks in a way that somebody else would understand."""
    made = boto3.client("iam").create_access_key(UserName="read")["AccessKey"]
    keys = Credentials(made["AccessKeyId"], made["SecretAccessKey"])
    address = f"{os.environ['AWS_ENDPOINT_URL']}{path}"
    request = AWSRequest(method, address, {**headers}, body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(keys, service, REGION).add_auth(request)
    answer = PoolManager().request(
        method, address, body=body, headers=dict(request.headers), redirect=False
    )
    assert answer.status == 403, answer.data
    assert boto3.client("dynamodb").describe_table(TableName=stack.outputs["RunsTable"])
    assert stack.results.read("receipts/old/run=1.json")


def test_nobody_may_do_what_is_anothers(stack: Stack, place: Path) -> None:
    """Whoever uploads reads no result, and whoever reads erases nothing."""
    for name, words in {
        "upload": ("get", "old", "--out", place / "stolen"),
        "put": ("get", "old", "--out", place / "stolen"),
        "read": ("erase", "--key", "old/apple/3.jpg", "--yes"),
        "operate": ("get", "old", "--out", place / "stolen"),
    }.items():
        iam = boto3.client("iam")
        made = iam.create_access_key(UserName=name)["AccessKey"]
        somebody = Person(name, {"AWS_ACCESS_KEY_ID": made["AccessKeyId"],
                                 "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]})  # fmt: skip
        with pytest.raises(AssertionError, match=r"AccessDenied|not authorized"):
            somebody.run(*words)
