import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pyarrow as pa
import pytest

from darkroom.errors import ConflictError, ObjectNotFoundError, UnreadableObjectError, UsageError
from darkroom.parquet import read_columns, to_parquet
from darkroom.s3_storage import S3Store
from darkroom.storage import LocalStore, Store, open_store, read_uri

NAMES = [
    pytest.param("with space.jpg", id="space"),
    pytest.param("1+1=2.jpg", id="plus"),
    pytest.param("100%25.jpg", id="percent"),
    pytest.param('"it\'s".jpg', id="quotes"),
    pytest.param("🍑.jpg", id="emoji"),
    pytest.param("Pe\u0302che.jpg", id="decomposed-accent"),
    pytest.param("P\u00eache.jpg", id="composed-accent"),
    pytest.param("two\nlines.jpg", id="newline"),
    pytest.param("a?b#c&d.jpg", id="url-marks"),
    pytest.param("/".join(["deep" * 25] * 9) + ".jpg", id="900-characters"),
]


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path, s3_server: str) -> Iterator[Store]:
    if request.param == "folder":
        yield LocalStore(tmp_path / "store")
        return
    import boto3

    bucket = boto3.resource("s3").create_bucket(
        Bucket="unit", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    yield open_store("s3://unit/some/prefix")
    bucket.objects.delete()
    bucket.delete()


def put_anyhow(store: Store, key: str, data: bytes) -> None:
    """As an uploader would: with any key that the place allows."""
    if isinstance(store, LocalStore):
        store.write(key, data)
    else:
        import boto3

        boto3.client("s3").put_object(Bucket="unit", Key=f"some/prefix/{key}", Body=data)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read(store: Store, name: str) -> None:
    if "\n" in name and not isinstance(store, LocalStore):
        pytest.skip("the S3 server's router refuses line breaks; the next test does not need it")
    put_anyhow(store, f"spring/{name}", b"content")
    assert store.read(f"spring/{name}") == b"content"


def test_a_jobs_role_is_found_as_emr_serverless_gives_it(
    s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the address of a server that hands out keys, without a token and without any key here."""
    import boto3

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
    import boto3
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


def test_what_is_written_is_read_listed_and_deleted(store: Store) -> None:
    store.write("a/b.txt", b"one")
    store.write("a/c.txt", b"two")
    store.write("ab/d.txt", b"three")
    assert store.list("a") == ["a/b.txt", "a/c.txt"]
    store.write("a/b.txt", b"new")
    assert store.read("a/b.txt") == b"new"
    store.delete(["a/b.txt", "a/b.txt"])
    assert store.list("a") == ["a/c.txt"]


def test_chunks_become_one_object(store: Store) -> None:
    store.write_chunks("big.csv", (b"line\n" for _ in range(1000)))
    assert store.read("big.csv") == b"line\n" * 1000


def test_what_is_gone_is_told_apart(store: Store) -> None:
    store.write("there", b"")
    with pytest.raises(ObjectNotFoundError):
        store.read("not/there")
    with pytest.raises(ObjectNotFoundError):
        store.read_versioned("not/there")
    assert store.list("nowhere") == []


def test_conditional_writes_detect_another_writer(store: Store) -> None:
    store.write_if("pointer", b"1", None)
    with pytest.raises(ConflictError):
        store.write_if("pointer", b"x", None)
    first = store.read_versioned("pointer")
    store.write_if("pointer", b"2", first.etag)
    with pytest.raises(ConflictError):
        store.write_if("pointer", b"x", first.etag)
    assert store.read("pointer") == b"2"


def test_a_version_is_read_exactly(s3_server: str) -> None:
    import boto3

    client = boto3.client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket="versions", CreateBucketConfiguration=where)
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    old = client.put_object(Bucket="versions", Key="plain.jpg", Body=b"old")["VersionId"]
    client.put_object(Bucket="versions", Key="plain.jpg", Body=b"new")
    store = open_store("s3://versions")
    assert store.read("plain.jpg") == b"new"
    assert store.read("plain.jpg", old) == b"old"


def test_a_folder_in_place_of_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableObjectError):
        LocalStore(tmp_path.parent).read(tmp_path.name)


def test_a_write_that_fails_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot write"):
        LocalStore(tmp_path / "file").write("key", b"")


def test_a_single_file_by_path_and_by_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ünï 100%.bin"
    path.write_bytes(b"x")
    assert read_uri(str(path)) == b"x"
    assert read_uri(path.as_uri()) == b"x"
    monkeypatch.chdir(tmp_path)
    assert read_uri(path.name) == b"x"


def test_other_schemes_are_refused() -> None:
    with pytest.raises(UsageError, match="only s3://"):
        open_store("ftp://somewhere/x")


def test_parts_of_an_object_are_read(store: Store) -> None:
    store.write("a/b", b"0123456789")
    assert (store.size("a/b"), store.read_range("a/b", 3, 4)) == (10, b"3456")
    for read in (lambda: store.size("gone"), lambda: store.read_range("gone", 0, 1)):
        with pytest.raises(ObjectNotFoundError):
            read()


def test_some_columns_are_read_without_the_others(store: Store) -> None:
    fetched: list[int] = []
    noise = list(map(float, range(200_000)))
    whole = to_parquet(pa.table({"path": ["a", "b"], "features": [noise, noise[::-1]]}))
    store.write("x.parquet", whole)
    read_range = store.read_range

    def counted(key: str, start: int, length: int) -> bytes:
        fetched.append(length)
        return read_range(key, start, length)

    store.read_range = counted  # type: ignore[method-assign]
    try:
        assert read_columns(store, "x.parquet", ["path"]).to_pydict() == {"path": ["a", "b"]}
    finally:
        store.read_range = read_range  # type: ignore[method-assign]
    assert sum(fetched) < len(whole) / 5
