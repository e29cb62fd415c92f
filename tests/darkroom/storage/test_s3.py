"""Buckets as the job reads them: by its role, any key, the version that was meant."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest

from darkroom.errors import ObjectNotFoundError
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
