"""What every `Store` does alike, be it a folder or a bucket, and what one alone can do."""

import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pyarrow as pa
import pytest

from darkroom.errors import ConflictError, ObjectNotFoundError
from darkroom.storage.local import LocalStore
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import read_columns, rows_of_paths, to_parquet
from darkroom.storage.store import Requirement, Store
from functions.aws.bucket import Bucket

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

UNIT = "unit"

_PREFIX = "some/prefix"


@pytest.fixture(params=["folder", "obstore", "boto3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, s3_server: str) -> Iterator[Store]:
    """Each implementation of `Store`, empty."""
    if request.param == "folder":
        yield LocalStore(tmp_path / "store")
        return
    bucket = boto3.resource("s3").create_bucket(
        Bucket=UNIT, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    by_boto3 = request.param == "boto3"
    yield Bucket(boto3.client("s3"), UNIT) if by_boto3 else open_store(f"s3://{UNIT}/{_PREFIX}")
    bucket.objects.delete()
    bucket.delete()


def put_anyhow(store: Store, key: str, data: bytes) -> None:
    """As an uploader would: with any key that the place allows."""
    if isinstance(store, LocalStore):
        store.write(key, data)
    else:
        full = key if isinstance(store, Bucket) else f"{_PREFIX}/{key}"
        boto3.client("s3").put_object(Bucket=UNIT, Key=full, Body=data)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read(store: Store, name: str) -> None:
    if "\n" in name and not isinstance(store, LocalStore):
        pytest.skip("the S3 server's router refuses line breaks; the next test does not need it")
    put_anyhow(store, f"spring/{name}", b"content")
    assert store.read(f"spring/{name}") == b"content"


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
    absent = Requirement(None, "there is none", "somebody was quicker")
    store.write_if("pointer", b"1", absent)
    with pytest.raises(ConflictError, match=r"somebody was quicker \(required: there is none\)"):
        store.write_if("pointer", b"x", absent)
    first = store.read_versioned("pointer")
    as_read = Requirement(first.etag, "as read", "not as read")
    store.write_if("pointer", b"2", as_read)
    with pytest.raises(ConflictError):
        store.write_if("pointer", b"x", as_read)
    with pytest.raises(ConflictError):
        store.write_if("gone", b"x", as_read)
    assert store.read("pointer") == b"2"


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


def test_of_a_file_that_is_sorted_only_groups_that_may_hold_a_path_are_fetched(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"spring/{number:04d}.jpg" for number in range(1000)]
    pictures = [os.urandom(2000) for _ in paths]
    table = pa.table({"path": paths, "jpeg": pictures})
    store.write("all.parquet", to_parquet(table, 100))
    fetched: list[int] = []
    plain = type(store).read_range

    def noted(self: Store, key: str, start: int, length: int) -> bytes:
        fetched.append(length)
        return plain(self, key, start, length)

    monkeypatch.setattr(type(store), "read_range", noted)
    wanted = [paths[7], paths[950], "spring/none.jpg", "autumn/1.jpg"]
    rows = rows_of_paths(store, "all.parquet", wanted, ["path", "jpeg"])
    assert rows.to_pydict() == {"path": wanted[:2], "jpeg": [pictures[7], pictures[950]]}
    assert len(fetched) <= 5  # the footer, and each of two groups
    assert sum(fetched) < 600_000  # of two million
    assert rows_of_paths(store, "all.parquet", ["autumn/1.jpg"], ["path"]).num_rows == 0
