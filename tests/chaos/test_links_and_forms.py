"""What the page gets to reach a bucket with: links and forms."""

from __future__ import annotations

import socket
from http import HTTPStatus

import boto3
import pytest
from botocore.client import Config

from cli.on_stack.stack import Stack
from functions.web.links import signing_client
from local_cloud import control
from tests.chaos.asking import HTTP, form, send
from tests.conftest import jpeg

pytestmark = pytest.mark.usefixtures("picture")


def test_links_are_good_for_what_and_as_long_as_they_say(
    cloud: control.LocalCloud, stack: Stack
) -> None:
    s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
    named = {"Bucket": stack.uploads, "Key": "port/1.jpg"}
    link = s3.generate_presigned_url("get_object", named, 300)
    good = HTTP.request("GET", link, headers={"Origin": cloud.page, "X-Amz-Target": "DynamoDB.X"})
    assert (good.status, good.data) == (HTTPStatus.OK, jpeg(1))
    assert good.headers["access-control-allow-origin"] == cloud.page
    assert HTTP.request("GET", link.replace("1.jpg", "_READY")).status == HTTPStatus.FORBIDDEN
    assert HTTP.request("DELETE", link).status == HTTPStatus.FORBIDDEN
    longer = link.replace("X-Amz-Expires=300", "X-Amz-Expires=3000")
    assert HTTP.request("GET", longer).status == HTTPStatus.FORBIDDEN
    over = HTTP.request("GET", s3.generate_presigned_url("get_object", named, -1))
    assert over.status == HTTPStatus.FORBIDDEN
    forever = HTTP.request("GET", s3.generate_presigned_url("get_object", named, 8 * 24 * 3600))
    assert forever.status == HTTPStatus.FORBIDDEN


def test_a_link_to_an_object_is_a_link_to_nothing_else(
    cloud: control.LocalCloud, stack: Stack
) -> None:
    """Body and kind of content are not signed, and would lead to services that look at them."""
    s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
    named = {"Bucket": stack.uploads, "Key": "port/1.jpg"}
    link = s3.generate_presigned_url("get_object", named, 300)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "Action=PutMetricData&Version=2010-08-01&Namespace=x&MetricData.member.1.MetricName=m"
    assert HTTP.request("GET", link, headers=kind, body=body).status == 413
    assert HTTP.request("GET", link, headers=kind).data == jpeg(1)
    metrics = boto3.client("cloudwatch").list_metrics(Namespace="x")["Metrics"]
    assert metrics == []


def test_a_form_whose_fields_are_no_good_is_not_read(
    cloud: control.LocalCloud, stack: Stack
) -> None:
    part = "--x\r\nContent-Disposition: form-data; name="
    head = f'{part}"key"\r\n\r\nevil.jpg\r\n{part}"file"; filename="a"\r\n\r\n'.encode()
    lines = [
        f"POST /{stack.uploads} HTTP/1.1",
        f"Host: 127.0.0.1:{cloud.port}",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Length: 1000000000",
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", cloud.port)) as raw:
        raw.sendall("\r\n".join(lines).encode() + head)
        assert raw.recv(12) == b"HTTP/1.1 403"


def test_forms_are_good_for_what_and_as_long_as_they_say(
    cloud: control.LocalCloud, stack: Stack
) -> None:
    before = _held(stack)
    made = form(cloud, stack)
    fields = {**made.fields, "key": "forms/a.jpg", "Content-Type": "image/jpeg",
              "x-amz-meta-sha256": "0"}  # fmt: skip
    assert send(made, fields) == HTTPStatus.NO_CONTENT
    refused = {
        "policy": {**fields, "policy": fields["policy"][:-8] + "AAAAAAA="},
        "signature": {**fields, "x-amz-signature": "0" * 64},
        "key": {**fields, "key": "elsewhere/a.jpg"},
        "kind": {**fields, "Content-Type": "text/html"},
        "unsigned": {"key": "forms/a.jpg"},
    }
    statuses = {name: send(made, changed) for name, changed in refused.items()}
    assert set(statuses.values()) <= {400, 403}, statuses
    assert send(made, fields, b"x" * 3000) == HTTPStatus.BAD_REQUEST
    assert send(made, fields, path="?delete") == HTTPStatus.FORBIDDEN
    s3 = signing_client()
    old = s3.generate_presigned_post(stack.uploads, "forms/old.jpg", ExpiresIn=-5)
    assert send(made, {**old["fields"]}) == HTTPStatus.FORBIDDEN
    assert _held(stack) == {*before, "forms/a.jpg"}


def _held(stack: Stack) -> set[str]:
    listed = stack.s3.list_objects_v2(Bucket=stack.uploads)["Contents"]
    return {item["Key"] for item in listed}
