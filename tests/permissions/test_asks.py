"""Which permissions a request needs, by AWS' tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from local_cloud.access.asks import Ask, Place, call_of

REGION, ACCOUNT = "eu-west-1", "123456789012"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/k"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/t"
PLACE = Place(REGION, ACCOUNT, {"arn:aws:s3:::b": KEY, QUEUE: KEY, TABLE: KEY})
APPLICATION = f"arn:aws:emr-serverless:{REGION}:{ACCOUNT}:/applications/00f"


class _Sent(Exception):  # noqa: N818
    pass


def asks(service: str, operation: str, **parameters: Any) -> list[Ask]:
    """What boto3's request for an operation needs."""
    client = boto3.Session("k", "s", region_name=REGION).client(service)
    sent: list[Any] = []

    def stop(request: Any, **_: Any) -> AWSResponse:
        sent.append(request)
        raise _Sent

    client.meta.events.register_first("before-send", stop)
    with pytest.raises(_Sent):
        getattr(client, operation)(**parameters)
    (request,) = sent
    return PLACE.asks(call_of(request.method, request.url, request.headers, request.body))


def via(service: str, *actions: str) -> list[tuple[str, str]]:
    return [(f"kms:{action}", KEY) for action in actions]


@pytest.mark.parametrize(
    ("asked", "needs"),
    [
        (lambda: asks("s3", "get_object", Bucket="b", Key="x y/ü.jpg"),
         [("s3:GetObject", "arn:aws:s3:::b/x y/ü.jpg"), *via("s3", "Decrypt")]),
        (lambda: asks("s3", "get_object", Bucket="b", Key="k", VersionId="v"),
         [("s3:GetObjectVersion", "arn:aws:s3:::b/k"), *via("s3", "Decrypt")]),
        (lambda: asks("s3", "head_object", Bucket="b", Key="k"),
         [("s3:GetObject", "arn:aws:s3:::b/k"), *via("s3", "Decrypt")]),
        (lambda: asks("s3", "put_object", Bucket="b", Key="k", Body=b"1"),
         [("s3:PutObject", "arn:aws:s3:::b/k"), *via("s3", "GenerateDataKey")]),
        (lambda: asks("s3", "upload_part", Bucket="b", Key="k", UploadId="u", PartNumber=1,
                      Body=b"1"),
         [("s3:PutObject", "arn:aws:s3:::b/k"), *via("s3", "GenerateDataKey", "Decrypt")]),
        (lambda: asks("s3", "abort_multipart_upload", Bucket="b", Key="k", UploadId="u"),
         [("s3:AbortMultipartUpload", "arn:aws:s3:::b/k")]),
        (lambda: asks("s3", "list_parts", Bucket="b", Key="k", UploadId="u"),
         [("s3:ListMultipartUploadParts", "arn:aws:s3:::b/k")]),
        (lambda: asks("s3", "copy_object", Bucket="b", Key="k", CopySource="b/other"),
         [("s3:PutObject", "arn:aws:s3:::b/k"), ("kms:GenerateDataKey", KEY),
          ("s3:GetObject", "arn:aws:s3:::b/other"), ("kms:Decrypt", KEY)]),
        (lambda: asks("s3", "delete_objects", Bucket="b", Delete={"Objects": [
            {"Key": "one", "VersionId": "v"}, {"Key": "two"}]}),
         [("s3:DeleteObjectVersion", "arn:aws:s3:::b/one"),
          ("s3:DeleteObject", "arn:aws:s3:::b/two")]),
        (lambda: asks("s3", "list_objects_v2", Bucket="b", Prefix="p/"),
         [("s3:ListBucket", "arn:aws:s3:::b")]),
        (lambda: asks("s3", "list_object_versions", Bucket="b"),
         [("s3:ListBucketVersions", "arn:aws:s3:::b")]),
        (lambda: asks("s3", "list_multipart_uploads", Bucket="b"),
         [("s3:ListBucketMultipartUploads", "arn:aws:s3:::b")]),
        (lambda: asks("sqs", "send_message_batch", QueueUrl=f"https://sqs/{ACCOUNT}/q", Entries=[]),
         [("sqs:SendMessage", QUEUE), *via("sqs", "GenerateDataKey", "Decrypt")]),
        (lambda: asks("dynamodb", "query", TableName="t", IndexName="by_state",
                      KeyConditionExpression="a = :a"),
         [("dynamodb:Query", f"{TABLE}/index/by_state"),
          *via("dynamodb", "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey",
               "DescribeKey")]),
        (lambda: asks("glue", "get_table", DatabaseName="d", Name="t"),
         [("glue:GetTable", f"arn:aws:glue:{REGION}:{ACCOUNT}:{what}")
          for what in ("database/d", "catalog", "table/d/t")]),
        (lambda: asks("emr-serverless", "start_job_run", applicationId="00f", clientToken="c",
                      executionRoleArn="arn:aws:iam::123456789012:role/job"),
         [("emr-serverless:StartJobRun", APPLICATION),
          ("iam:PassRole", "arn:aws:iam::123456789012:role/job")]),
        (lambda: asks("emr-serverless", "get_job_run", applicationId="00f", jobRunId="1"),
         [("emr-serverless:GetJobRun", f"{APPLICATION}/jobruns/1")]),
        (lambda: asks("emr-serverless", "stop_application", applicationId="00f"),
         [("emr-serverless:StopApplication", APPLICATION)]),
        (lambda: asks("kms", "sign", KeyId=KEY, Message=b"1", SigningAlgorithm="ECDSA_SHA_256"),
         [("kms:Sign", KEY)]),
    ],
)  # fmt: skip
def test_each_request_needs_what_the_reference_says(
    asked: Callable[[], list[Ask]], needs: list[tuple[str, str]]
) -> None:
    assert [(ask.action, ask.resource) for ask in asked()] == needs


def test_services_are_named_to_the_key() -> None:
    (_, decrypt) = asks("s3", "get_object", Bucket="b", Key="k")
    assert decrypt.context == (("kms:viaservice", f"s3.{REGION}.amazonaws.com"),)
    (_, passed) = asks("emr-serverless", "start_job_run", applicationId="00f", clientToken="c",
                       executionRoleArn="arn:aws:iam::123456789012:role/job")  # fmt: skip
    assert passed.context == (("iam:passedtoservice", "emr-serverless.amazonaws.com"),)


def test_what_nobody_knows_is_no_permission() -> None:
    signed = {"Authorization": "Credential=a/b/c/emr-serverless/x"}
    with pytest.raises(LookupError):
        PLACE.asks(call_of("PATCH", "https://emr-serverless/applications/00f", signed, b""))
