"""`darkroom deploy`."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from time import time
from typing import Any

import boto3
from awscli.customizations.cloudformation.yamlhelper import yaml_parse
from botocore.exceptions import BotoCoreError, ClientError

from cli.deploying import application
from cli.deploying.build import MODEL, ROOT, JobFiles, build_environment, build_functions, build_job
from cli.deploying.cloudformation import change_set, clear_away, why_refused
from cli.deploying.endpoint import is_on_this_machine
from cli.deploying.stack_name import require_name
from cli.deploying.verify_deployment import verify
from cli.on_stack.stack import Stack, open_stack
from cli.on_this_machine.home import ensure_model
from cli.terminal.say import say
from darkroom.errors import DarkroomError, ObjectNotFoundError, UsageError
from darkroom.regions import require_eu
from functions.aws.bucket import Bucket

QUEUE_MINUTES = 720.0  # a job waits at most so long (the template's QueueTimeoutMinutes)


@dataclass(frozen=True)
class Deployment:
    """What to deploy. Without a `model`, a stack that is there keeps its own. `check` verifies with
    a tiny batch; `archive` builds the executors' archive, which the local cloud can do without;
    `stop_jobs` cancels a job that runs where the change touches the Spark application."""

    name: str
    region: str
    model: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    archive: bool = True
    check: bool = True
    dry_run: bool = False
    stop_jobs: bool = False


def deploy(deployment: Deployment) -> Stack | None:
    """Build, deploy, upload the job, verify. None for a dry run. Safe to repeat."""
    _check(deployment)
    account = "dry-run" if deployment.dry_run else account_id()
    if not deployment.dry_run:
        rest = partial(application.bring_to_rest, deployment.name, deployment.stop_jobs)
        clear_away(deployment.name, rest)
    with _only_one_build():
        stack = _deploy(deployment, account)
    if stack is not None and deployment.check:
        verify(stack)
    return stack


def _deploy(deployment: Deployment, account: str) -> Stack | None:
    existing = None if deployment.dry_run else _existing(deployment.name)
    folder = ROOT / "build"
    say("building the functions")
    build_functions(folder, dependencies=not is_on_this_machine())
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
    _remove_old_releases(stack, {job.release, (existing or stack).parameters["Release"]})
    return stack


@contextmanager
def _only_one_build() -> Iterator[None]:
    """Let deployments from one checkout follow each other: they build and package in one folder."""
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    with (folder / ".deploying").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check(deployment: Deployment) -> None:
    require_name(deployment.name)
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
        said = _aws("cloudformation", "deploy", "--template-file", str(packaged), "--s3-bucket",
                    bucket, "--stack-name", deployment.name, "--capabilities", "CAPABILITY_IAM",
                    "CAPABILITY_AUTO_EXPAND", "--no-fail-on-empty-changeset",
                    "--no-execute-changeset", "--parameter-overrides", *overrides)  # fmt: skip
    except DarkroomError as error:
        why = why_refused(deployment.name, str(error))
        raise DarkroomError(
            (why and f"the stack cannot be deployed. {why}") or str(error)
        ) from error
    changes = change_set(deployment.name, said)
    if changes is None:
        return
    if application.TYPE in changes.touched:
        application.bring_to_rest(deployment.name, deployment.stop_jobs)
    changes.execute()
    _remove_old_code(bucket, packaged.read_text())


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


def _remove_old_code(bucket: str, packaged: str) -> None:
    """What no template names any more: the functions run copies of it, and CloudFormation goes back
    at most to what was deployed now."""
    s3: Any = boto3.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    Bucket(s3, bucket).delete([key for key in keys if key not in packaged])


def _remove_old_releases(stack: Stack, kept: set[str]) -> None:
    """Those but this one and the one before it, when no job can wait any more that was started
    before they were replaced."""
    uploaded: dict[str, float] = {}  # when each release came
    pages = stack.s3.get_paginator("list_objects_v2").paginate(
        Bucket=stack.artifacts.name, Prefix="jobs/"
    )
    keys = [(found["Key"], found["LastModified"].timestamp())
            for page in pages for found in page.get("Contents", [])]  # fmt: skip
    for key, moment in keys:
        release = key.split("/")[1]
        uploaded[release] = max(moment, uploaded.get(release, 0))
    longest = (QUEUE_MINUTES + float(stack.parameters["JobTimeoutMinutes"])) * 60
    replaced = {release: min((m for m in uploaded.values() if m > moment), default=inf)
                for release, moment in uploaded.items()}  # fmt: skip
    old = {release for release, moment in replaced.items() if time() - moment > longest} - kept
    stack.artifacts.delete([key for key, _ in keys if key.split("/")[1] in old])


def _aws(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "awscli", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DarkroomError(f"aws {words[0]} {words[1]} failed:\n{done.stderr or done.stdout}")
    return done.stdout


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


def where_to_drop(stack: Stack, command: str = "darkroom") -> Sequence[str]:
    """What a user does next."""
    return (
        f"open the page     {stack.outputs['PageUrl']}/",
        f"drop images into  s3://{stack.uploads}/<batch>/<label>/<name>",
        f"find results in   {stack.results.uri}/",
        f"for example: {command} put FOLDER --batch NAME --ready; then: {command} status --watch",
    )
