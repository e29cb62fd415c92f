"""Buckets as the job reads them: by its role, any key, the version that was meant."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import boto3
import pytest

from darkroom.errors import DarkroomError, ObjectNotFoundError, UnreadableObjectError
from darkroom.storage.opening import open_store
from darkroom.storage.s3 import S3Store


def test_a_jobs_role_is_found_as_emr_serverless_gives_it(
    s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the address of a server that hands out keys, without a token and without any key here."""
    boto3.resource("s3").create_bucket(
        Bucket="role", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    ).put_object(Key="a", Body=b"content")
    asked = []

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            keys = {"AccessKeyId": "role", "SecretAccessKey": "s", "Token": "t",
                    "Expiration": "2099-01-01T00:00:00Z"}  # fmt: skip
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(keys).encode())

        def log_message(self, *words: object) -> None:
            pass

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with HTTPServer(("127.0.0.1", 0), Keys) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/role"
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        assert S3Store("role").read("a") == b"content"
        server.shutdown()
    assert asked == ["/role"]


def test_keys_that_obstore_refuses_are_read_by_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    from moto import mock_aws

    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        client = boto3.client("s3")
        where = {"LocationConstraint": "eu-west-1"}
        client.create_bucket(Bucket="odd", CreateBucketConfiguration=where)
        versioning = {"Status": "Enabled"}
        client.put_bucket_versioning(Bucket="odd", VersioningConfiguration=versioning)
        for key in ("two\nlines.jpg", "a//b.jpg", "./c.jpg"):
            old = client.put_object(Bucket="odd", Key=key, Body=b"old")["VersionId"]
            client.put_object(Bucket="odd", Key=key, Body=b"new")
            assert open_store("s3://odd").read(key) == b"new"
            assert open_store("s3://odd").read(key, old) == b"old"
        with pytest.raises(ObjectNotFoundError):
            open_store("s3://odd").read("not\nthere")


def test_a_version_is_read_exactly(s3_server: str) -> None:
    client = boto3.client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket="versions", CreateBucketConfiguration=where)
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    old = client.put_object(Bucket="versions", Key="plain.jpg", Body=b"old")["VersionId"]
    client.put_object(Bucket="versions", Key="plain.jpg", Body=b"new")
    store = open_store("s3://versions")
    assert store.read("plain.jpg") == b"new"
    assert store.read("plain.jpg", old) == b"old"


class Answers(BaseHTTPRequestHandler):
    """As S3 answers for an object called after its status and code, or `cut`."""

    def do_GET(self) -> None:
        status, _, code = self.path.rpartition("/")[2].partition("-")
        cut = status == "cut"
        body = f"<Error><Code>{code}</Code><Message>as S3 says it</Message></Error>".encode()
        self.send_response(200 if cut else int(status))
        self.send_header("Content-Length", str(len(body) + cut))
        self.send_header("Last-Modified", "Wed, 25 Nov 2026 00:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Store]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        yield S3Store("answering")
        server.shutdown()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("400-KMS.DisabledException", r"KMS.DisabledException \(as S3 says it\)"),
        ("400-InvalidRequest", "InvalidRequest"),  # encrypted by a key of the customer's
        ("403-InvalidObjectState", "InvalidObjectState"),  # archived
        ("403-AccessDenied", "access denied"),
        ("cut-off", "breaks off"),
    ],
)
@pytest.mark.parametrize("odd", ["", "a//"], ids=["obstore", "boto3"])
def test_what_s3_says_of_one_object_is_its_own_fault(
    answering: S3Store, key: str, words: str, odd: str
) -> None:
    if odd and key == "cut-off":
        pytest.skip("boto3 has an error of its own for it")
    with pytest.raises(UnreadableObjectError, match=words):
        answering.read(odd + key)


@pytest.mark.parametrize("key", ["404-NoSuchKey", "405-MethodNotAllowed"])
def test_what_is_gone_is_not_there(answering: S3Store, key: str) -> None:
    with pytest.raises(ObjectNotFoundError):
        answering.read(key)


@pytest.mark.parametrize("key", ["400-ExpiredToken", "404-NoSuchBucket", "403-InvalidAccessKeyId"])
@pytest.mark.parametrize("odd", ["", "a//"], ids=["obstore", "boto3"])
def test_what_concerns_the_bucket_is_no_fault_of_an_object(
    answering: S3Store, key: str, odd: str
) -> None:
    with pytest.raises(DarkroomError, match=key.partition("-")[2]) as raised:
        answering.read(odd + key)
    assert not isinstance(raised.value, ObjectNotFoundError | UnreadableObjectError)
