"""A deployed stack, in AWS or on this machine: its outputs, and clients that reach it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from darkroom.erasure.uploads import Uploads
from darkroom.errors import UsageError
from darkroom.run.progress import Progress, read_progress
from functions.aws.bucket import Bucket
from functions.erasure.dead_letters import UploadDeadLetters
from functions.erasure.right_of_way import Erasures
from functions.erasure.signing import KmsSigner
from functions.runs.batch_complete import ClosingRules
from functions.runs.queues import WorkQueues
from functions.runs.records import RunRecord, State
from functions.runs.table import RunTable

CONNECTIONS = 16


@dataclass(frozen=True)
class Stack:
    """One environment: everything is found through the stack's outputs. `parameters` are those it
    was deployed with."""

    name: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]

    @cached_property
    def s3(self) -> Any:
        """A client for objects, with connections for parallel transfers."""
        return boto3.client("s3", config=Config(max_pool_connections=CONNECTIONS))

    @property
    def uploads(self) -> str:
        """Name of the bucket that images are dropped in."""
        return self.outputs["UploadsBucket"]

    @cached_property
    def results(self) -> Bucket:
        """The results bucket."""
        return Bucket(self.s3, self.outputs["ResultsBucket"])

    def progress(self, record: RunRecord) -> Progress | None:
        """How far a run's job is, while it runs."""
        return read_progress(self.results, record.key) if record.state == State.RUNNING else None

    @cached_property
    def artifacts(self) -> Bucket:
        """The bucket of the job and its logs."""
        return Bucket(self.s3, self.outputs["ArtifactsBucket"])

    @cached_property
    def runs(self) -> RunTable:
        """State of every run."""
        return RunTable(boto3.resource("dynamodb").Table(self.outputs["RunsTable"]))

    @cached_property
    def queues(self) -> WorkQueues:
        """The queues that wake the functions."""
        return WorkQueues(
            boto3.client("sqs"), self.outputs["SubmitQueueUrl"], self.outputs["CatalogQueueUrl"]
        )

    @cached_property
    def erasures(self) -> Erasures:
        """Requests to erase, and how they stand."""
        return Erasures(self.runs, self.queues)

    @cached_property
    def versions(self) -> Uploads:
        """The uploads with all their versions."""
        return Uploads(self.s3, self.uploads)

    @cached_property
    def signer(self) -> KmsSigner:
        """The key that signs certificates."""
        return KmsSigner(boto3.client("kms"), self.outputs["SigningKey"])

    @cached_property
    def upload_dead_letters(self) -> UploadDeadLetters:
        """Upload events that failed."""
        (url,) = (url for url in self.dead_letters if url.endswith("-uploads-dead-letters"))
        return UploadDeadLetters(boto3.client("sqs"), url)

    @property
    def closing_rules(self) -> ClosingRules:
        """When a batch is complete."""
        return ClosingRules(*map(int, self.outputs["ClosingRules"].split(",")))

    @property
    def dead_letters(self) -> dict[str, str]:
        """URL of each dead-letter queue, and of the queue it belongs to."""
        pairs = (pair.split(">") for pair in self.outputs["DeadLetterQueueUrls"].split(","))
        return {pair[0]: pair[1] for pair in pairs}


def open_stack(name: str) -> Stack:
    """The stack of that name. Raises `UsageError` where it cannot be reached, with what to do."""
    try:
        answer = boto3.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" in str(error):
            raise UsageError(
                f"there is no stack {name!r} here: `darkroom deploy` makes one in AWS, "
                "`darkroom local up` one on this machine (then add --local)"
            ) from error
        raise UsageError(f"AWS refuses: {error}") from error
    except BotoCoreError as error:
        raise UsageError(
            f"AWS cannot be reached: {error} (for the local cloud: `darkroom local up`, "
            "and --local before the command)"
        ) from error
    told = answer["Stacks"][0]
    return Stack(
        name,
        {output["OutputKey"]: output["OutputValue"] for output in told.get("Outputs", [])},
        {given["ParameterKey"]: given["ParameterValue"] for given in told.get("Parameters", [])},
    )
