"""What the local cloud cannot keep it refuses: nothing is answered 200 that is gone tomorrow."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.errors import DarkroomError
from darkroom.run.folder import walk_folder
from local_cloud.access.signatures import Refusal
from local_cloud.checkpoint import Checkpoint
from local_cloud.server import credentials
from local_cloud.storage_room import RESERVE_BYTES, Free, StorageRoom
from tests.chaos.accounts import assert_all_accounted
from tests.conftest import jpeg
from tests.stack.local_stack import aws, darkroom, kill, local_stack
from tests.waiting import PATIENCE_SECONDS, finished

_MEGABYTE = 1024 * 1024
_FILES = 60


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m,mode=700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may mount no disk: run the tests as root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, leaving: int) -> Path:
    told = os.statvfs(disk)
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, told.f_bavail * told.f_frsize - leaving)
    return filler


@pytest.mark.long
@pytest.mark.own_cloud
def test_a_full_disk_refuses_uploads_and_keeps_what_it_took(disk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures" / "apple"
    folder.mkdir(parents=True)
    for number in range(_FILES):
        (folder / f"{number}.jpg").write_bytes(jpeg(number) + bytes(200_000))  # after the picture
    with local_stack(disk) as stack:
        filler = fill(disk, RESERVE_BYTES + 6 * _MEGABYTE)
        refused = darkroom("put", str(folder.parent), "--batch", "full", "--ready")
        assert refused.returncode == 1
        assert "could not be stored" in refused.stderr
        assert "the disk of the local cloud is full" in refused.stderr
        assert "Traceback" not in refused.stderr
        # none of the rest gets in by another way
        with pytest.raises(subprocess.CalledProcessError):
            aws("s3", "cp", "--quiet", str(folder / "0.jpg"), f"s3://{stack.uploads}/full/x.jpg")
        assert "uploads are refused" in (disk / "state" / "server.log").read_text()

        def held() -> dict[str, int]:
            listed = stack.s3.list_objects_v2(Bucket=stack.uploads, Prefix="full/")
            return {item["Key"]: item["Size"] for item in listed.get("Contents", [])}

        before = held()
        assert 0 < len(before) < _FILES
        stack = kill(disk)
        assert held() == before
        for key, size in before.items():
            answer = stack.s3.get_object(Bucket=stack.uploads, Key=key)
            assert len(answer["Body"].read()) == size

        filler.unlink()
        again = darkroom("put", str(folder.parent), "--batch", "full", "--ready")
        assert again.returncode == 0, again.stderr
        assert f"{len(before)} were there already" in again.stdout
        newest = list(stack.runs.of_batch("full"))[-1]
        finished(stack, "full", newest.run)
        records = list(stack.runs.of_batch("full"))
        assert sum(record.missing or 0 for record in records) == 0
        keys = [f"full/apple/{number}.jpg" for number in range(_FILES)]
        assert_all_accounted(stack.results, records, keys)


def test_room_is_counted_with_what_is_on_its_way() -> None:
    said: list[str] = []
    free = Free(RESERVE_BYTES + 10 * _MEGABYTE, 100_000)
    room = StorageRoom(lambda: free, said.append)
    with (
        room.for_request("PUT", True, 6 * _MEGABYTE),
        pytest.raises(Refusal) as refused,
        room.for_request("PUT", True, 6 * _MEGABYTE),
    ):
        raise AssertionError("taken")
    assert refused.value.status == 507
    with room.for_request("PUT", True, 6 * _MEGABYTE):
        pass
    assert len(said) == 2  # full, and no longer
    with room.for_request("DELETE", True, 60 * _MEGABYTE):
        """What makes room is taken."""
    with room.for_request("POST", False, 60 * _MEGABYTE):
        """So is what is about no object."""


def test_what_was_half_written_when_the_disk_filled_up_stops_no_start(tmp_path: Path) -> None:
    (tmp_path / "running-since").write_text("")
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint._since() <= 10
    (tmp_path / "credentials.partial").write_text('{"sec')
    assert len(credentials(tmp_path)["AWS_SECRET_ACCESS_KEY"]) >= 40
    assert credentials(tmp_path) == credentials(tmp_path)


@pytest.mark.parametrize("free", [Free(RESERVE_BYTES - 1, 10**6), Free(10**12, 10)],
                         ids=["bytes", "files"])  # fmt: skip
def test_a_full_disk_is_told_of(free: Free) -> None:
    room = StorageRoom(lambda: free, lambda words: None)
    assert "is full" in room.trouble
    room = StorageRoom(lambda: Free(10**12, 10**6), lambda words: None)
    room.saved(OSError("sqs.json could not be written"))
    assert "sqs.json could not be written" in room.trouble
    room.saved()
    assert room.trouble == ""


_BROKEN_DISK = """
import errno, os, sys
from local_cloud import ministack_fixes as fixes
from ministack.core import responses
from ministack.services import s3
fixes.keep_or_refuse()
told = []
s3._fire_s3_event = lambda *a, **k: told.append(a[1])
bucket = s3._buckets
s3._create_bucket("uploads", b"", {})
s3._bucket_versioning["uploads"] = "Enabled"
s3._bucket_notifications["uploads"] = {"x": 1}
put = lambda key, body: s3._put_object("uploads", key, body, {})[0]
assert put("a.jpg", b"old") == 200
replace = os.replace
def full(*a):
    raise OSError(errno.ENOSPC, "No space left on device")
os.replace = full
assert put("a.jpg", b"new") == 500, put("a.jpg", b"new")
assert put("b.jpg", b"new") == 500
os.replace = replace
assert sorted(s3._buckets["uploads"]["objects"]) == ["a.jpg"]
assert s3._get_object("uploads", "a.jpg", {}, {})[2] == b"old"
assert len(s3._object_versions["uploads", "a.jpg"]) == 1
assert put("b.jpg", b"good") == 200
import time
time.sleep(0.5)
assert sorted(told) == ["a.jpg", "b.jpg"], told
print("kept")
"""


def test_an_object_whose_write_fails_is_refused_and_nobody_is_told(tmp_path: Path) -> None:
    """Whatever the disk's reason is: a quota, say, which no count of free bytes knows."""
    environment = {**os.environ, "S3_PERSIST": "1", "S3_DATA_DIR": str(tmp_path / "s3"),
                   "STATE_DIR": str(tmp_path / "state")}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", _BROKEN_DISK], capture_output=True, text=True, env=environment,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.stdout.strip().endswith("kept"), done.stderr[-2000:]


def test_what_s3_refuses_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import EndpointConnectionError

    from cli.on_stack import put

    def refuse(*_: object) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    monkeypatch.setattr(put, "put_bytes", refuse)
    (tmp_path / "1.jpg").write_bytes(b"x")
    (entry,) = walk_folder(tmp_path)
    with pytest.raises(DarkroomError, match=r"1.jpg could not be stored: Could not connect"):
        put._send(None, tmp_path.name, "b", {}, entry)  # type: ignore[arg-type]
