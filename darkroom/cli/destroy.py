"""`darkroom destroy`."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.exceptions import ClientError

from darkroom.cli.deploy import account_id, code_bucket
from darkroom.cli.stack import open_stack
from darkroom.errors import DarkroomError


def destroy(name: str, region: str, delete_data: bool) -> None:
    """Remove the stack; buckets and table stay unless `delete_data`. Safe to repeat."""
    stack, account = open_stack(name), account_id()
    cloudformation = boto3.client("cloudformation")
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1 if "127.0.0.1" in _endpoint() else 15}
    )
    _remove_bucket(code_bucket(name, account, region))
    if delete_data:
        for output in ("UploadsBucket", "ResultsBucket", "ArtifactsBucket", "AccessLogsBucket"):
            if output in stack.outputs:
                _remove_bucket(stack.outputs[output])
        _remove_table(stack.outputs["RunsTable"])
        for output in ("DataKey", "SigningKey"):
            if output in stack.outputs:
                _remove_key(stack.outputs[output])


def _endpoint() -> str:
    return os.environ.get("AWS_ENDPOINT_URL", "")


def _remove_bucket(name: str) -> None:
    bucket = boto3.resource("s3").Bucket(name)
    try:
        bucket.object_versions.delete()
        bucket.objects.delete()
        bucket.delete()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise DarkroomError(f"bucket {name} could not be removed: {error}") from error


def _remove_table(name: str) -> None:
    client: Any = boto3.client("dynamodb")
    try:
        client.delete_table(TableName=name)
    except client.exceptions.ResourceNotFoundException:
        return


def _remove_key(key: str) -> None:
    """KMS deletes keys after a week at the earliest; until then that can be taken back."""
    client: Any = boto3.client("kms")
    try:
        client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    except (client.exceptions.NotFoundException, client.exceptions.KMSInvalidStateException):
        return
