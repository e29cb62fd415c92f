"""`darkroom deploy`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import strftime
from urllib.parse import urlsplit

import boto3
from awscli.customizations.cloudformation.yamlhelper import yaml_parse
from botocore.exceptions import BotoCoreError, ClientError

from darkroom.cli.build import MODEL, ROOT, JobFiles, build_environment, build_functions, build_job
from darkroom.cli.home import ensure_model
from darkroom.cli.put import put_bytes
from darkroom.cli.say import say
from darkroom.cli.stack import Stack, open_stack
from darkroom.cli.status import wait_until_finished
from darkroom.errors import DarkroomError, ObjectNotFoundError, UsageError
from darkroom.regions import require_eu
from functions.records import State

_CHECK_BATCH = "darkroom-check"
_STACK_NAME = re.compile(r"[a-z][a-z0-9-]{0,26}")


@dataclass(frozen=True)
class Deployment:
    """What to deploy. Without a `model`, a stack that is there keeps its own. `check` verifies with
    a tiny batch; `archive` builds the executors' archive, which the local cloud can do without."""

    name: str
    region: str
    model: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    archive: bool = True
    check: bool = True
    dry_run: bool = False

    @property
    def on_this_machine(self) -> bool:
        """Whether it goes to a local cloud."""
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        return urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1")


def deploy(deployment: Deployment) -> Stack | None:
    """Build, deploy, upload the job, verify. None for a dry run. Safe to repeat."""
    _check(deployment)
    account = "dry-run" if deployment.dry_run else account_id()
    existing = None if deployment.dry_run else _existing(deployment.name)
    folder = ROOT / "build"
    say("building the functions")
    build_functions(folder, dependencies=not deployment.on_this_machine)
    job = _build_job(deployment, existing, folder)
    parameters = {**deployment.parameters, "Release": job.release}
    if deployment.dry_run:
        _report_dry_run(deployment, job, parameters)
        return None
    if existing:  # before the functions name the new release
        _upload(existing, job)
    say(f"deploying the stack {deployment.name} in {deployment.region}")
    _deploy_stack(deployment, account, parameters)
    stack = open_stack(deployment.name)
    if not existing:
        _upload(stack, job)
    if deployment.check:
        _verify(stack)
    return stack


def _check(deployment: Deployment) -> None:
    if not _STACK_NAME.fullmatch(deployment.name):
        raise UsageError(
            f"{deployment.name!r} cannot name a stack: at most 27 lower-case letters, digits and "
            "hyphens, a letter first (buckets are named after it)"
        )
    require_eu(deployment.region)
    unknown = set(deployment.parameters) - _parameters_of_the_template()
    if unknown:
        raise UsageError(f"template.yaml has no parameter {', '.join(sorted(unknown))}")


def _parameters_of_the_template() -> set[str]:
    return set(yaml_parse((ROOT / "template.yaml").read_text())["Parameters"])


def account_id() -> str:
    """Of the credentials. Raises `UsageError` where AWS accepts none."""
    try:
        return str(boto3.client("sts").get_caller_identity()["Account"])
    except (ClientError, BotoCoreError) as error:
        raise UsageError(
            f"no credentials that AWS accepts: {error} (`aws configure sso`, or set AWS_PROFILE)"
        ) from error


def _build_job(deployment: Deployment, existing: Stack | None, folder: Path) -> JobFiles:
    """For the processors and with the model that the stack has, unless others are given."""
    environment = None
    if deployment.archive:
        say("building the executors' archive (once for each change of its requirements)")
        parameters = {**(existing.parameters if existing else {}), **deployment.parameters}
        environment = build_environment(folder, parameters.get("Architecture", "X86_64"))
    model = deployment.model or (existing and _deployed_model(existing, folder))
    return build_job(folder, model or ensure_model().path, environment)


def _deployed_model(stack: Stack, folder: Path) -> Path | None:
    """The model of the stack's release; None where the release was never uploaded."""
    key = f"jobs/{stack.parameters['Release']}/{MODEL}"
    try:
        data = stack.artifacts.read(key)
    except ObjectNotFoundError:
        return None
    path = folder / MODEL
    path.write_bytes(data)
    return path


def _report_dry_run(deployment: Deployment, job: JobFiles, parameters: Mapping[str, str]) -> None:
    say(f"dry run: the stack {deployment.name} in {deployment.region} would get")
    for name, value in sorted(parameters.items()):
        say(f"  parameter {name} = {value}")
    for name, path in job.files.items():
        say(f"  jobs/{job.release}/{name} ({path.stat().st_size / 1e3:.0f} kB)")
    say("nothing was sent to AWS")


def is_deployed(name: str) -> bool:
    """Whether there is a stack of that name."""
    return _existing(name) is not None


def _existing(name: str) -> Stack | None:
    try:
        stack = open_stack(name)
    except UsageError:
        return None
    return stack if "ArtifactsBucket" in stack.outputs else None


def _deploy_stack(deployment: Deployment, account: str, parameters: Mapping[str, str]) -> None:
    """With the AWS CLI's own `package` and `deploy`, as anyone would by hand."""
    bucket = code_bucket(deployment.name, account, deployment.region)
    _make_bucket(bucket, deployment.region)
    packaged = ROOT / "build" / "packaged.yaml"
    _aws("cloudformation", "package", "--template-file", str(ROOT / "template.yaml"),
         "--s3-bucket", bucket, "--output-template-file", str(packaged))  # fmt: skip
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    try:
        _aws("cloudformation", "deploy", "--template-file", str(packaged), "--s3-bucket", bucket,
             "--stack-name", deployment.name, "--capabilities", "CAPABILITY_IAM",
             "CAPABILITY_AUTO_EXPAND", "--no-fail-on-empty-changeset",
             "--parameter-overrides", *overrides)  # fmt: skip
    except DarkroomError as error:
        raise DarkroomError(_why_not(deployment.name) or str(error)) from error


def _why_not(name: str) -> str:
    """What CloudFormation says of the first resource that failed, and what to do about it."""
    try:
        events = boto3.client("cloudformation").describe_stack_events(StackName=name)
    except ClientError:
        return ""
    failed = [
        event
        for event in events["StackEvents"]
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]
    if not failed:
        return ""
    first = failed[-1]
    reason = f"{first['LogicalResourceId']}: {first['ResourceStatusReason']}"
    if "already exists" in reason or "AlreadyOwnedByYou" in reason:
        reason += (
            f"\nIt is left from an earlier stack {name!r} that was removed without --delete-data: "
            "choose another name with --stack, or delete it by hand"
        )
    return f"the stack {name} could not be deployed. {reason}"


def code_bucket(name: str, account: str, region: str) -> str:
    """The bucket that CloudFormation reads the functions' code from: it must be there before the
    stack is."""
    return f"{name}-code-{account}-{region}"


def _make_bucket(bucket: str, region: str) -> None:
    s3 = boto3.client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )


def _aws(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "awscli", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DarkroomError(f"aws {words[0]} {words[1]} failed:\n{done.stderr or done.stdout}")


def _upload(stack: Stack, job: JobFiles) -> None:
    for name, path in job.files.items():
        key = f"jobs/{job.release}/{name}"
        if _size(stack, key) != path.stat().st_size:
            say(f"uploading {name} ({path.stat().st_size / 1e3:.0f} kB)")
            stack.s3.upload_file(str(path), stack.artifacts.name, key)


def _size(stack: Stack, key: str) -> int | None:
    try:
        answer = stack.s3.head_object(Bucket=stack.artifacts.name, Key=key)
    except ClientError:
        return None
    return int(answer["ContentLength"])


def _verify(stack: Stack) -> None:
    """Send a batch of one broken picture the whole way: it takes every step, but leaves no trace
    in the coordinate system."""
    say("verifying with a batch of one broken picture (it starts Spark: some minutes in AWS)")
    batch = f"{_CHECK_BATCH}-{strftime('%Y%m%d-%H%M%S')}"
    put_bytes(stack, f"{batch}/broken.jpg", b"\xff\xd8\xffno picture")
    put_bytes(stack, f"{batch}/_READY", b'{"images": 1}')
    record = wait_until_finished(stack, batch)
    if record.state != State.DONE or (record.processed, record.rejected) != (0, 1):
        raise DarkroomError(
            f"the check failed: run {record.run} of {batch} is {record.state}: {record.reason}"
        )
    say("verified: received, processed, catalogued, and the receipt balances")


def where_to_drop(stack: Stack, command: str = "darkroom") -> Sequence[str]:
    """What a user does next."""
    return (
        f"open the page     {stack.outputs['PageUrl']}/",
        f"drop images into  s3://{stack.uploads}/<batch>/<label>/<name>",
        f"find results in   {stack.results.uri}/",
        f"for example: {command} put FOLDER --batch NAME --ready; then: {command} status --watch",
    )
