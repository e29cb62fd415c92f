"""`darkroom destroy`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import ClientError

from cli.deploying import application
from cli.deploying.cloudformation import delete, resource, settled
from cli.deploying.deploy import account_id, code_bucket
from cli.terminal.say import say
from darkroom.errors import DarkroomError, UsageError
from darkroom.regions import require_eu

_TAG = "darkroom-stack"  # on what has no name of its own
_KEY_DAYS = 7  # KMS deletes no key earlier
_BACKUP_DAYS = 35  # DynamoDB keeps a deleted table's last state for so long

_HELD = (
    "its images, results, receipts and records stay, with the keys that they are encrypted with "
    "and the people who may sign in: `darkroom destroy --stack {stack} --delete-data` deletes them"
)
_STAYS = (
    f"what stays for a while: the keys for {_KEY_DAYS} days (`aws kms cancel-key-deletion` takes "
    f"it back; after that nothing can be read), DynamoDB's own backup of the table for "
    f"{_BACKUP_DAYS} days, logs until they expire"
)


def destroy(name: str, region: str, delete_data: bool, stop_jobs: bool = False) -> Sequence[str]:
    """Remove the stack, in whatever state it is; buckets, table, keys and people stay unless
    `delete_data`, which also removes what an earlier removal has left. Lines about what is left.

    Raises `UsageError` where there is nothing of that name, or a job is in the way. Safe to repeat.
    """
    require_eu(region)
    account = account_id()
    code = code_bucket(name, account, region)
    there = settled(name) is not None
    tagged = {*_tagged(name), *_of_stack(name, account, region)} if delete_data else set()
    if there:
        application.bring_to_rest(name, stop_jobs)
        say(f"removing the stack {name}")
        delete(name)
    removed = [_remove_bucket(code)]
    if delete_data:
        removed += [_remove_bucket(bucket) for bucket in data_buckets(name, account, region)]
        removed += [_remove_table(f"{name}-runs"), *(_remove_tagged(arn) for arn in tagged)]
    if not there and not any(removed):
        more = "" if delete_data else "; --delete-data looks for what an earlier removal has left"
        raise UsageError(f"there is no stack {name!r} in {region}{more}")
    if delete_data:
        return (f"{name} is removed, with all that it held", _STAYS)
    return (f"the stack {name} is removed", _HELD.format(stack=name))


def data_buckets(name: str, account: str, region: str) -> list[str]:
    """The buckets of a stack, as `template.yaml` names them."""
    kinds = ("uploads", "results", "artifacts", "access")
    return [f"{name}-{kind}-{account}-{region}" for kind in kinds]


def _tagged(name: str) -> Iterator[str]:
    """ARNs of the keys and of the people's pool of a stack, also of one that is gone."""
    pages = boto3.client("resourcegroupstaggingapi").get_paginator("get_resources")
    for page in pages.paginate(TagFilters=[{"Key": _TAG, "Values": [name]}]):
        for found in page["ResourceTagMappingList"]:
            yield found["ResourceARN"]


def _of_stack(name: str, account: str, region: str) -> Iterator[str]:
    """The same of a stack that is there, and was deployed before they were tagged."""
    partition = boto3.session.Session().get_partition_for_region(region)
    kinds = {"DataKey": "kms", "SigningKey": "kms", "People": "cognito-idp"}
    for logical_id, service in kinds.items():
        number = resource(name, logical_id)
        if number:
            kind = "key" if service == "kms" else "userpool"
            yield f"arn:{partition}:{service}:{region}:{account}:{kind}/{number}"


def _remove_bucket(name: str) -> bool:
    """Whether there was one."""
    bucket = boto3.resource("s3").Bucket(name)
    try:
        bucket.object_versions.delete()
        bucket.objects.delete()
        bucket.delete()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise DarkroomError(f"bucket {name} could not be removed: {error}") from error
        return False
    return True


def _remove_table(name: str) -> bool:
    client: Any = boto3.client("dynamodb")
    gone = client.exceptions.ResourceNotFoundException
    return _was_there(partial(client.delete_table, TableName=name), gone)


def _remove_tagged(arn: str) -> bool:
    """A key, whose deletion can be taken back for a week, or a pool of people. Whether there was
    one."""
    _, _, service, _, _, kind = arn.split(":", 5)
    if service == "kms":
        return _remove_key(arn)
    if service == "cognito-idp":
        return _remove_people(kind.rpartition("/")[2])
    return False


def _remove_key(arn: str) -> bool:
    client: Any = boto3.client("kms")
    gone = (client.exceptions.NotFoundException, client.exceptions.KMSInvalidStateException)
    remove = partial(client.schedule_key_deletion, KeyId=arn, PendingWindowInDays=_KEY_DAYS)
    return _was_there(remove, *gone)


def _remove_people(pool: str) -> bool:
    client: Any = boto3.client("cognito-idp")
    gone = client.exceptions.ResourceNotFoundException
    return _was_there(partial(client.delete_user_pool, UserPoolId=pool), gone)


def _was_there(remove: Callable[[], object], *gone: type[Exception]) -> bool:
    """Remove it. Whether there was something to remove."""
    try:
        remove()
    except gone:
        return False
    return True
