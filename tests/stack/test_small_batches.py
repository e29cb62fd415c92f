"""Small batches beside large ones on the local cloud, and an image erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.traces import digest, traces
from cli.on_stack.put import put_folder
from cli.on_stack.stack import Stack
from darkroom.layout import Run
from darkroom.run import receipt
from functions.runs.records import Lane, State
from tests.conftest import jpeg
from tests.stack.local_stack import darkroom, local_stack
from tests.waiting import finished

pytestmark = [pytest.mark.long, pytest.mark.own_cloud]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    with local_stack(folder, SmallBatchImages="20") as made:
        yield made


def test_both_lanes_at_once_and_an_erasure(
    stack: Stack, folder: Path, photos: Callable[..., Path]
) -> None:
    put_folder(stack, photos(40, "large"), "large", ready=True)
    small = [f"small-{number}" for number in range(4)]
    for number, batch in enumerate(small):
        put_folder(stack, photos(10, batch, first=100 * (number + 1)), batch, ready=True)
    records = {batch: finished(stack, batch) for batch in ("large", *small)}
    assert {record.state for record in records.values()} == {State.DONE}
    assert {batch: record.lane for batch, record in records.items()} == {
        "large": "", **dict.fromkeys(small, Lane.SMALL)
    }  # fmt: skip
    assert all(record.cost and record.cost < 0.01 for record in records.values())
    assert {record.processed for record in records.values()} == {40, 10}

    assert "request" in darkroom("logs", "small-1").stderr

    gone, content = "small-1/Pêche plate/200.jpg", digest(jpeg(200))
    assert traces(folder / "state", [gone, content])
    erased = darkroom("erase", "--key", gone, "--yes", "--why", "case 9")
    assert erased.returncode == 0, erased.stderr
    assert traces(folder / "state", [gone, content]) == []
    told = receipt.unpack(stack.results.read(Run("small-1", 1).receipt))
    assert (told.found, told.processed) == (9, 9)
