"""Erasing on the local cloud: afterwards no byte of it knows the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.traces import digest, traces
from cli.on_stack.put import put_bytes, put_folder
from cli.on_stack.stack import Stack
from darkroom.coordinates import versions
from darkroom.layout import ERASURES
from functions.runs.records import State
from tests.conftest import jpeg
from tests.stack.local_stack import darkroom, local_stack
from tests.waiting import finished

GONE, COPY = "spring/Pêche plate/2.jpg", "autumn/other name.jpg"

NOTE = "spring/notes of Jane.txt"
OLDER, NEWER, NOTES = jpeg(900), jpeg(901), b"no image"

pytestmark = [pytest.mark.long, pytest.mark.own_cloud]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    with local_stack(folder, quiet_seconds=1) as made:
        yield made


def done(stack: Stack, batch: str, run: int) -> None:
    assert finished(stack, batch, run).state == State.DONE


def test_no_byte_of_the_cloud_knows_an_erased_image(
    stack: Stack, folder: Path, photos: Callable[..., Path]
) -> None:
    """Three batches in four runs, two PCA versions; under one key an older version, a delete
    marker, and a newer version of a later run; the same picture under another key, too."""
    put_bytes(stack, GONE, OLDER)
    stack.s3.delete_object(Bucket=stack.uploads, Key=GONE)
    pictures = photos(12)
    (pictures / NOTE.partition("/")[2]).write_bytes(NOTES)
    put_folder(stack, pictures, "spring", ready=True)
    done(stack, "spring", 1)
    put_bytes(stack, COPY, jpeg(2))
    put_bytes(stack, "autumn/3.jpg", jpeg(300))
    done(stack, "autumn", 1)
    put_folder(stack, photos(40, "winter", first=100), "winter", ready=True)
    put_bytes(stack, GONE, NEWER)
    done(stack, "winter", 1)
    done(stack, "spring", 2)
    before = sorted(versions.fitted_on(stack.results))
    assert len(before) >= 2
    words = [GONE, COPY, NOTE, *map(digest, (OLDER, NEWER, jpeg(2), NOTES))]
    known = traces(folder / "state", words)
    assert len(known) > 15

    spared = {key: stack.results.read(key) for key in stack.results.list("Results/batch=winter")}
    out = str(folder / "out")
    assert "no longer held" not in darkroom("get", "autumn", "--out", out).stdout
    erased = darkroom("erase", "--key", GONE, "--key", NOTE, "--yes", "--why", "case 7")
    assert erased.returncode == 0, erased.stderr
    assert traces(folder / "state", words) == []
    after = sorted(versions.fitted_on(stack.results))
    assert len(after) == 1
    assert after[0] > before[-1]
    assert {key: stack.results.read(key) for key in spared} == spared

    number = str(next(iter(stack.runs.of_batch(ERASURES))).requests[0]["id"])
    assert "3 files erased" in darkroom("verify", number).stdout
    assert "nothing is held" in darkroom("trace", GONE).stdout
    again = darkroom("get", "autumn", "--out", out).stdout
    assert f"Results_PCA/model={before[-1]}" in again.split("no longer held")[1]

    put_bytes(stack, "open/1.jpg", jpeg(500))  # waits for others
    put_bytes(stack, "open/_READY", b'{"images": 99}')
    keys = [f"spring/{path}" for path in _below(pictures)] + ["open/1.jpg"]
    digests = [digest(jpeg(number)) for number in (*range(12), 500)] + [digest(NOTES)]
    assert len(traces(folder / "state", [*keys, *digests])) > 15
    assert darkroom("erase", "--batch", "spring", "--yes", "--no-wait").returncode == 0
    assert darkroom("erase", "--prefix", "open/1", "--yes").returncode == 0
    assert traces(folder / "state", [*keys, *digests]) == []
    assert stack.runs.latest("spring") is None
    assert {record.state for record in stack.runs.of_batch(ERASURES)} == {State.DONE}


def _below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")]
