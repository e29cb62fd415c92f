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

import pytest
from botocore.auth import SigV4Auth
from botocore.exceptions import ClientError

from cli.on_stack.stack import Stack
from local_cloud import control
from tests.chaos.asking import EVIL, ask, signed
from tests.conftest import jpeg

pytestmark = pytest.mark.usefixtures("picture")

_ASKED = {
    "s3-list": ("GET", "/", {}, b""),
    "s3-objects": ("GET", "/{uploads}?list-type=2", {}, b""),
    "s3-read": ("GET", "/{uploads}/port/1.jpg", {}, b""),
    "s3-write": ("PUT", "/{uploads}/port/evil.jpg", {}, b"evil"),
    "s3-delete": ("DELETE", "/{uploads}/port/1.jpg", {}, b""),
    "s3-form": ("POST", "/{uploads}", {"Content-Type": "multipart/form-data; boundary=x"},
                b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nport/evil.jpg\r\n'
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


@pytest.mark.parametrize("asked", _ASKED.values(), ids=_ASKED)
def test_nothing_is_answered_without_a_signature(
    cloud: control.LocalCloud, stack: Stack, asked: tuple[str, str, dict[str, str], bytes]
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
    cloud: control.LocalCloud, wrong: dict[str, str], code: str
) -> None:
    headers = signed(cloud, "GET", "/", "s3", **wrong)
    answer = ask(cloud, "GET", "/", headers, b"")
    assert (answer.status, code in answer.data.decode()) == (HTTPStatus.FORBIDDEN, True)


def test_what_is_changed_after_signing_is_refused(cloud: control.LocalCloud, stack: Stack) -> None:
    table, path = b'{"TableName": "x"}', f"/{stack.uploads}/port/2.jpg"
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
        stack.s3.head_object(Bucket=stack.uploads, Key="port/2.jpg")


def test_a_signature_is_good_for_minutes(
    cloud: control.LocalCloud, monkeypatch: pytest.MonkeyPatch
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
    cloud: control.LocalCloud, headers: dict[str, str]
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


def test_the_page_may_ask_of_buckets_alone(cloud: control.LocalCloud, stack: Stack) -> None:
    asked = {"Origin": cloud.page, "Access-Control-Request-Method": "POST"}
    bucket = ask(cloud, "OPTIONS", f"/{stack.uploads}", asked, b"")
    assert bucket.headers["access-control-allow-origin"] == cloud.page
    for path in ("/", "/2015-03-31/functions", "/no-such-bucket/x"):
        elsewhere = ask(cloud, "OPTIONS", path, asked, b"")
        assert elsewhere.status == HTTPStatus.FORBIDDEN
        assert "access-control-allow-origin" not in elsewhere.headers
    foreign = ask(cloud, "OPTIONS", f"/{stack.uploads}", {**asked, "Origin": EVIL}, b"")
    assert "access-control-allow-origin" not in foreign.headers
    unsigned = ask(cloud, "GET", f"/{stack.uploads}/port/1.jpg", {"Origin": cloud.page}, b"")
    assert unsigned.status == HTTPStatus.FORBIDDEN


def test_chunks_that_are_signed_are_taken_and_forged_ones_are_not(
    cloud: control.LocalCloud, stack: Stack
) -> None:
    """As SDKs for Java and others send uploads over plain HTTP."""
    path, body = f"/{stack.uploads}/port/chunks.jpg", jpeg(3)
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
    assert stack.s3.get_object(Bucket=stack.uploads, Key="port/chunks.jpg")["Body"].read() == body
    forged = first.replace(body[:20], b"x" * 20)
    assert ask(cloud, "PUT", path, headers, forged + last).status == HTTPStatus.FORBIDDEN
    stack.s3.delete_object(Bucket=stack.uploads, Key="port/chunks.jpg")


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
    cloud: control.LocalCloud, cloud_folder: Path, method: str, path: str, headers: Any
) -> None:
    log = cloud_folder / "state" / "server.log"
    before = log.read_text(errors="replace").count("Traceback")
    answer = ask(cloud, method, path, headers, b"")
    assert answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)
    assert log.read_text(errors="replace").count("Traceback") == before


def test_the_state_is_its_owner_s_alone(cloud_folder: Path, cloud: control.LocalCloud) -> None:
    assert stat.S_IMODE((cloud_folder / "state").stat().st_mode) == 0o700
    for path in (cloud_folder / "state").rglob("*"):
        if path.name not in (".starting", "process.json", "server.log"):  # tell nothing
            assert not path.lstat().st_mode & 0o077 or path.is_symlink(), path
    secret = cloud.environment["AWS_SECRET_ACCESS_KEY"]
    assert len(secret) >= 40
    assert secret not in (cloud_folder / "state" / "process.json").read_text()
    assert secret not in (cloud_folder / "state" / "server.log").read_text(errors="replace")


def test_a_socket_of_the_web_is_closed(cloud: control.LocalCloud) -> None:
    lines = ["GET / HTTP/1.1", f"Host: 127.0.0.1:{cloud.port}", "Upgrade: websocket",
             "Connection: Upgrade", "Sec-WebSocket-Version: 13",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]  # fmt: skip
    with socket.create_connection(("127.0.0.1", cloud.port)) as raw:
        raw.sendall("\r\n".join(lines).encode())
        assert b" 101 " not in raw.recv(100)


def test_nothing_else_listens(cloud: control.LocalCloud) -> None:
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


def test_the_health_says_who_is_asked(cloud: control.LocalCloud) -> None:
    headers = signed(cloud, "GET", "/_darkroom/health", "execute-api")
    answer = ask(cloud, "GET", "/_darkroom/health", headers, b"")
    assert json.loads(answer.data)["trouble"] == ""
