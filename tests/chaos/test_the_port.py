"""The local cloud's own port: Lambda lies behind it, so whoever may ask there may run code."""

from __future__ import annotations

import hashlib
import json
import socket
import stat
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.client import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from urllib3 import PoolManager
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from darkroom.cli import local
from darkroom.cli.put import put_bytes
from darkroom.cli.stack import Stack
from functions.web.links import Links, signing_client
from tests.conftest import jpeg

EVIL = "http://evil.example"
HTTP = PoolManager(retries=False)

_ASKED = {
    "s3-list": ("GET", "/", {}, b""),
    "s3-objects": ("GET", "/{uploads}?list-type=2", {}, b""),
    "s3-read": ("GET", "/{uploads}/spring/1.jpg", {}, b""),
    "s3-write": ("PUT", "/{uploads}/spring/evil.jpg", {}, b"evil"),
    "s3-delete": ("DELETE", "/{uploads}/spring/1.jpg", {}, b""),
    "s3-form": ("POST", "/{uploads}", {"Content-Type": "multipart/form-data; boundary=x"},
                b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nspring/evil.jpg\r\n'
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nevil\r\n'
                b"--x--\r\n"),
    "lambda-list": ("GET", "/2015-03-31/functions/", {}, b""),
    "lambda-create": ("POST", "/2015-03-31/functions", {"Content-Type": "text/plain"}, b"{}"),
    "lambda-invoke": ("POST", "/2015-03-31/functions/darkroom-test-api/invocations", {}, b"{}"),
    "dynamodb": ("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}, b"{}"),
    "sqs": ("POST", "/", {"X-Amz-Target": "AmazonSQS.ListQueues"}, b"{}"),
    "iam": ("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"},
            b"Action=ListRoles&Version=2010-05-08"),
    "emr": ("GET", "/applications", {"Host": "emr-serverless.eu-west-1.amazonaws.com"}, b""),
    "reset": ("POST", "/_ministack/reset", {}, b""),
    "admin": ("POST", "/_ministack/config", {}, b"{}"),
    "health": ("GET", "/_ministack/health", {}, b""),
    "messages": ("GET", "/_aws/sqs/messages", {}, b""),
    "ours": ("GET", "/_darkroom/health", {}, b""),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def picture(stack: Stack) -> None:
    put_bytes(stack, "spring/1.jpg", jpeg(1))
    put_bytes(stack, "spring/_READY", b'{"images": 1000}')  # it stays open


def ask(cloud: local.LocalCloud, method: str, path: str, headers: Any, body: bytes) -> Any:
    """A raw request."""
    return HTTP.request(method, f"{cloud.endpoint}{path}", body=body, headers=headers)


def signed(
    cloud: local.LocalCloud, method: str, path: str, service: str, body: bytes = b"",
    secret: str = "", key: str = "", **headers: str,
) -> dict[str, str]:  # fmt: skip
    """The headers of a request that is signed as AWS' SDKs sign it."""
    keys = cloud.environment
    request = AWSRequest(method, f"{cloud.endpoint}{path}", data=body, headers=headers)
    credentials = Credentials(
        key or keys["AWS_ACCESS_KEY_ID"], secret or keys["AWS_SECRET_ACCESS_KEY"]
    )
    SigV4Auth(credentials, service, cloud.region).add_auth(request)
    return dict(request.headers)


@pytest.mark.parametrize("asked", _ASKED.values(), ids=_ASKED)
def test_nothing_is_answered_without_a_signature(
    cloud: local.LocalCloud, stack: Stack, asked: tuple[str, str, dict[str, str], bytes]
) -> None:
    method, path, headers, body = asked
    answer = ask(cloud, method, path.format(uploads=stack.uploads), headers, body)
    assert answer.status in (HTTPStatus.FORBIDDEN, HTTPStatus.MISDIRECTED_REQUEST)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"secret": "x" * 40}, "SignatureDoesNotMatch"),
        ({"key": "AKIAIOSFODNN7EXAMPLE"}, "InvalidAccessKeyId"),
        ({"key": "test", "secret": "test"}, "InvalidAccessKeyId"),
        ({"key": "local", "secret": "local"}, "InvalidAccessKeyId"),
    ],
    ids=["secret", "key", "ministack-s", "the-former"],
)
def test_keys_that_this_cloud_did_not_make_open_nothing(
    cloud: local.LocalCloud, wrong: dict[str, str], code: str
) -> None:
    headers = signed(cloud, "GET", "/", "s3", **wrong)
    answer = ask(cloud, "GET", "/", headers, b"")
    assert (answer.status, code in answer.data.decode()) == (HTTPStatus.FORBIDDEN, True)


def test_what_is_changed_after_signing_is_refused(cloud: local.LocalCloud, stack: Stack) -> None:
    table, path = b'{"TableName": "x"}', f"/{stack.uploads}/spring/2.jpg"
    target = {"X-Amz-Target": "DynamoDB_20120810.ListTables"}
    listed = signed(cloud, "POST", "/", "dynamodb", table, **target)
    assert ask(cloud, "POST", "/", listed, b"{}").status == HTTPStatus.FORBIDDEN
    renamed = {**listed, "X-Amz-Target": "DynamoDB_20120810.DeleteTable"}
    assert ask(cloud, "POST", "/", renamed, table).status == HTTPStatus.FORBIDDEN
    assert ask(cloud, "POST", "/?x=y", listed, table).status == HTTPStatus.FORBIDDEN
    stated = {"x-amz-content-sha256": "0" * 64}
    stored = signed(cloud, "PUT", path, "s3", b"one", **stated)
    assert ask(cloud, "PUT", path, stored, b"two").status == HTTPStatus.BAD_REQUEST
    with pytest.raises(ClientError, match="404"):
        stack.s3.head_object(Bucket=stack.uploads, Key="spring/2.jpg")


def test_a_signature_is_good_for_minutes(
    cloud: local.LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = datetime.now(UTC) - timedelta(minutes=16)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return past

    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: past, raising=False)
    monkeypatch.setattr("botocore.auth.datetime", Clock, raising=False)
    headers = signed(cloud, "GET", "/", "s3")
    assert headers["X-Amz-Date"] < datetime.now(UTC).strftime("%Y%m%dT%H%M")
    answer = ask(cloud, "GET", "/", headers, b"")
    assert (answer.status, b"RequestTimeTooSkewed" in answer.data) == (HTTPStatus.FORBIDDEN, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}, {"Host": "localhost.evil.org"},
    ],
    ids=["origin", "no-origin", "another-port", "cross-site", "host", "like-localhost"],
)  # fmt: skip
def test_other_sites_are_refused_be_they_signed(
    cloud: local.LocalCloud, headers: dict[str, str]
) -> None:
    """Before anything is read: a body that never comes is not waited for."""
    sent = {**signed(cloud, "GET", "/2015-03-31/functions/", "lambda"), **headers}
    answer = ask(cloud, "GET", "/2015-03-31/functions/", sent, b"")
    assert answer.status in (HTTPStatus.FORBIDDEN, HTTPStatus.MISDIRECTED_REQUEST)
    assert "access-control-allow-origin" not in answer.headers
    lines = {"Host": f"127.0.0.1:{cloud.port}", "Content-Length": "1000000000", **headers}
    with socket.create_connection(("127.0.0.1", cloud.port)) as raw:
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        raw.sendall(f"POST / HTTP/1.1\r\n{head}\r\n".encode())
        assert raw.recv(12) in (b"HTTP/1.1 403", b"HTTP/1.1 421")


def test_the_page_may_ask_of_buckets_alone(cloud: local.LocalCloud, stack: Stack) -> None:
    asked = {"Origin": cloud.page, "Access-Control-Request-Method": "POST"}
    bucket = ask(cloud, "OPTIONS", f"/{stack.uploads}", asked, b"")
    assert bucket.headers["access-control-allow-origin"] == cloud.page
    for path in ("/", "/2015-03-31/functions", "/no-such-bucket/x"):
        elsewhere = ask(cloud, "OPTIONS", path, asked, b"")
        assert elsewhere.status == HTTPStatus.FORBIDDEN
        assert "access-control-allow-origin" not in elsewhere.headers
    foreign = ask(cloud, "OPTIONS", f"/{stack.uploads}", {**asked, "Origin": EVIL}, b"")
    assert "access-control-allow-origin" not in foreign.headers
    unsigned = ask(cloud, "GET", f"/{stack.uploads}/spring/1.jpg", {"Origin": cloud.page}, b"")
    assert unsigned.status == HTTPStatus.FORBIDDEN


def test_links_are_good_for_what_and_as_long_as_they_say(
    cloud: local.LocalCloud, stack: Stack
) -> None:
    s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
    named = {"Bucket": stack.uploads, "Key": "spring/1.jpg"}
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
    cloud: local.LocalCloud, stack: Stack
) -> None:
    """Body and kind of content are not signed, and would lead to services that look at them."""
    s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
    named = {"Bucket": stack.uploads, "Key": "spring/1.jpg"}
    link = s3.generate_presigned_url("get_object", named, 300)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "Action=PutMetricData&Version=2010-08-01&Namespace=x&MetricData.member.1.MetricName=m"
    assert HTTP.request("GET", link, headers=kind, body=body).status == 413
    assert HTTP.request("GET", link, headers=kind).data == jpeg(1)
    metrics = boto3.client("cloudwatch").list_metrics(Namespace="x")["Metrics"]
    assert metrics == []


def test_chunks_that_are_signed_are_taken_and_forged_ones_are_not(
    cloud: local.LocalCloud, stack: Stack
) -> None:
    """As SDKs for Java and others send uploads over plain HTTP."""
    path, body = f"/{stack.uploads}/chunks.jpg", jpeg(3)
    stated = {
        "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "x-amz-decoded-content-length": str(len(body)),
        "content-encoding": "aws-chunked",
    }
    headers = signed(cloud, "PUT", path, "s3", **stated)
    seed = headers["Authorization"].rpartition("Signature=")[2]
    day, scope = (
        headers["X-Amz-Date"][:8],
        f"{headers['X-Amz-Date'][:8]}/{cloud.region}/s3/aws4_request",
    )
    signer = SigV4Auth(None, "s3", cloud.region)
    key = ("AWS4" + cloud.environment["AWS_SECRET_ACCESS_KEY"]).encode()
    for word in (day, cloud.region, "s3", "aws4_request"):
        key = signer._sign(key, word)

    def chunk(data: bytes, previous: str) -> tuple[bytes, str]:
        words = ["AWS4-HMAC-SHA256-PAYLOAD", headers["X-Amz-Date"], scope, previous,
                 hashlib.sha256(b"").hexdigest(), hashlib.sha256(data).hexdigest()]  # fmt: skip
        signature = signer._sign(key, "\n".join(words), hex=True)
        return f"{len(data):x};chunk-signature={signature}\r\n".encode() + data + b"\r\n", signature

    first, signature = chunk(body, seed)
    last, _ = chunk(b"", signature)
    assert ask(cloud, "PUT", path, headers, first + last).status == HTTPStatus.OK
    assert stack.s3.get_object(Bucket=stack.uploads, Key="chunks.jpg")["Body"].read() == body
    forged = first.replace(body[:20], b"x" * 20)
    assert ask(cloud, "PUT", path, headers, forged + last).status == HTTPStatus.FORBIDDEN
    stack.s3.delete_object(Bucket=stack.uploads, Key="chunks.jpg")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/x/y?X-Amz-Signature=%C3%A9&X-Amz-Credential=000000000000/20261125/eu-west-1/s3/"
         "aws4_request&X-Amz-SignedHeaders=host&X-Amz-Date=20261125T000000Z&X-Amz-Expires=60", {}),
        ("GET", "/x/y?X-Amz-Signature=0&X-Amz-Credential=000000000000/20261125/eu-west-1/s3/"
         "aws4_request&X-Amz-SignedHeaders=host&X-Amz-Date=20261125T000000Z"
         "&X-Amz-Expires=99999999999999999999", {}),
        ("GET", "/", {"Authorization": b"AWS4-HMAC-SHA256 Credential=\xff\xfe"}),
    ],
    ids=["letters", "a-long-time", "bytes"],
)  # fmt: skip
def test_what_cannot_even_be_checked_is_refused_without_a_word_in_the_log(
    cloud: local.LocalCloud, folder: Path, method: str, path: str, headers: Any
) -> None:
    log = folder / "state" / "server.log"
    before = log.read_text(errors="replace").count("Traceback")
    answer = ask(cloud, method, path, headers, b"")
    assert answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)
    assert log.read_text(errors="replace").count("Traceback") == before


def test_a_form_whose_fields_are_no_good_is_not_read(cloud: local.LocalCloud, stack: Stack) -> None:
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


def form(cloud: local.LocalCloud, stack: Stack) -> Any:
    return Links(signing_client(), stack.uploads, stack.results.name, 2000).upload_form("forms")


def send(made: Any, fields: dict[str, str], body: bytes = b"small", path: str = "") -> int:
    parts = [RequestField(name, value) for name, value in fields.items()]
    file = RequestField("file", body, filename="a.jpg")
    for part in (*parts, file):
        part.make_multipart()
    data, kind = encode_multipart_formdata([*parts, file])
    return HTTP.request(
        "POST",
        made.url + path,
        body=data,
        headers={"Content-Type": kind, "X-Amz-Target": "AWSIE.X"},
    ).status


def test_forms_are_good_for_what_and_as_long_as_they_say(
    cloud: local.LocalCloud, stack: Stack
) -> None:
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
    listed = stack.s3.list_objects_v2(Bucket=stack.uploads)["Contents"]
    assert {item["Key"] for item in listed} == {"forms/a.jpg", "spring/1.jpg", "spring/_READY"}


def test_the_state_is_its_owner_s_alone(folder: Path, cloud: local.LocalCloud) -> None:
    assert stat.S_IMODE((folder / "state").stat().st_mode) == 0o700
    for path in (folder / "state").rglob("*"):
        if path.name not in (".starting", "process.json", "server.log"):  # tell nothing
            assert not path.lstat().st_mode & 0o077 or path.is_symlink(), path
    secret = cloud.environment["AWS_SECRET_ACCESS_KEY"]
    assert len(secret) >= 40
    assert secret not in (folder / "state" / "process.json").read_text()
    assert secret not in (folder / "state" / "server.log").read_text(errors="replace")


def test_a_socket_of_the_web_is_closed(cloud: local.LocalCloud) -> None:
    lines = ["GET / HTTP/1.1", f"Host: 127.0.0.1:{cloud.port}", "Upgrade: websocket",
             "Connection: Upgrade", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]  # fmt: skip
    with socket.create_connection(("127.0.0.1", cloud.port)) as raw:
        raw.sendall("\r\n".join(lines).encode())
        assert b" 101 " not in raw.recv(100)


def test_nothing_else_listens(cloud: local.LocalCloud) -> None:
    """The cloud's process opens its two ports, and on loopback alone."""
    inodes = {link.readlink().name for link in Path(f"/proc/{cloud.pid}/fd").iterdir()
              if link.is_symlink() and str(link.readlink()).startswith("socket:")}  # fmt: skip
    listening = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
            address, port = fields[1].split(":")
            listening.add((address, int(port, 16)))
    assert listening == {("0100007F", cloud.port), ("0100007F", urlsplit(cloud.page).port)}


def test_the_health_says_who_is_asked(cloud: local.LocalCloud) -> None:
    headers = signed(cloud, "GET", "/_darkroom/health", "execute-api")
    answer = ask(cloud, "GET", "/_darkroom/health", headers, b"")
    assert json.loads(answer.data)["trouble"] == ""
