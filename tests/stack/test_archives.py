"""Archives dropped whole into the local cloud, and an image erased that came in one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.traces import digest, traces
from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from darkroom.layout import Run
from darkroom.run import receipt
from functions.runs.records import State
from tests.conftest import jpeg
from tests.darkroom.archives.packed import PACKED, zipped
from tests.stack.local_stack import aws, darkroom, local_stack
from tests.waiting import finished

pytestmark = [pytest.mark.long, pytest.mark.own_cloud]

GONE = "spring/fruits.zip/Test/りんご/1.jpg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    with local_stack(folder, quiet_seconds=3) as made:
        yield made


def test_archives_are_worked_as_the_folders_they_hold(
    stack: Stack, folder: Path, photos: Callable[..., Path], tmp_path: Path
) -> None:
    packed = tmp_path / "drop"
    packed.mkdir()
    files = {f"Test/りんご/{n}.jpg": jpeg(n) for n in range(8)}
    refused = {"../evil.jpg": jpeg(70), "inner.zip": b"PK", "notes.txt": b"no image"}
    (packed / "fruits.zip").write_bytes(zipped({**files, **refused}))
    for number, name in enumerate(PACKED):
        if name != "a.zip":
            shard = {f"pear/{n}.jpg": jpeg(100 * (number + 1) + n) for n in range(3)}
            (packed / name).write_bytes(PACKED[name](shard))
    where = f"s3://{stack.uploads}/spring/"
    aws("s3", "cp", "--recursive", "--only-show-errors", str(packed), where)
    record = finished(stack, "spring", 1)
    assert (record.state, record.processed, record.rejected) == (State.DONE, 20, 2)
    told = receipt.unpack(stack.results.read(Run("spring", 1).receipt))
    assert told.rejected_by_reason == {"bad_name": 1, "unsupported_mode": 1}
    assert told.skipped == 1
    left = stack.s3.list_object_versions(Bucket=stack.uploads)
    names = [item["Key"] for item in left["Versions"]]
    assert len(names) == 21
    assert not [name for name in names if name.endswith(tuple(PACKED))]

    words = [GONE, digest(jpeg(1))]
    assert len(traces(folder / "state", words)) > 5
    assert "fruits.zip/Test" in darkroom("trace", GONE).stdout
    erased = darkroom("erase", "--key", GONE, "--yes", "--why", "case 8")
    assert erased.returncode == 0, erased.stderr
    assert traces(folder / "state", words) == []

    put_bytes(stack, "autumn/again.zip", zipped({"1.jpg": jpeg(1), "2.jpg": jpeg(2)}))
    assert finished(stack, "autumn", 1).rejected == 1
    assert traces(folder / "state", words) == []

    sent = darkroom("put", str(packed), "--batch", "winter")
    assert sent.returncode == 1
    assert "fruits.zip/inner.zip (unsupported_mode" in sent.stderr
    assert finished(stack, "winter", 1).processed == 19  # and one that was erased
