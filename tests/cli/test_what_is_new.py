"""`darkroom run` once more: which files are new, and which folder is another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cli.on_this_machine.run import RunOptions, run_folder
from cli.pictures.map import _coordinates, _pictures
from darkroom.errors import UsageError
from darkroom.run.receipt import done_runs
from darkroom.storage.local import LocalStore
from tests.conftest import encoded, jpeg, picture

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, model_file: Path) -> Run:
    """Work a folder; how many runs there are then."""

    def work(folder: Path, batch: str | None = None) -> int:
        options = RunOptions(folder, tmp_path / "out", tmp_path / "home", batch=batch, cores=1)
        run_folder(options, lambda: model_file)
        return len(done_runs(LocalStore(tmp_path / "out")))

    return work


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "one" / "100CANON"
    made.mkdir(parents=True)
    for seed in range(3):
        (made / f"{seed}.jpg").write_bytes(jpeg(seed))
    (made / "broken.jpg").write_bytes(b"no")
    (made / "notes.txt").write_text("no image")
    return made


def touch(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, (1, 1))


def test_new_times_are_nothing_new(run: Run, folder: Path) -> None:
    assert run(folder) == 1
    touch(folder)
    assert run(folder) == 1


def test_new_bytes_are(run: Run, folder: Path) -> None:
    assert run(folder) == 1
    touch(folder)
    (folder / "1.jpg").write_bytes(jpeg(77))
    assert run(folder) == 2
    touch(folder)
    assert run(folder) == 2


def test_a_folder_that_moved_is_the_same(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run(folder) == 1
    (tmp_path / "two").mkdir()
    shutil.move(folder, tmp_path / "two" / "100CANON")
    touch(tmp_path / "two" / "100CANON")
    assert run(tmp_path / "two" / "100CANON") == 1


def test_two_folders_of_one_name_are_kept_apart(run: Run, folder: Path, tmp_path: Path) -> None:
    """In two batches; and on the map each point has its own picture."""
    other = tmp_path / "two" / "100CANON"
    other.mkdir(parents=True)
    for seed in range(3):
        (other / f"{seed}.jpg").write_bytes(encoded(picture(100 + seed), "JPEG"))
    assert run(folder) == 1
    with pytest.raises(UsageError, match="give this folder a batch of its own with --batch"):
        run(other)
    assert run(other, "second") == 2
    store = LocalStore(tmp_path / "out")
    placed = _coordinates(store)
    shown = dict(zip(
        [(run.batch, path) for run, rows in placed for path in rows["path"].to_pylist()],
        _pictures(store, placed, folder.parent), strict=True,
    ))  # fmt: skip
    assert len(shown) == 6
    for seed in range(3):
        one, two = (shown[batch, f"100CANON/{seed}.jpg"] for batch in ("100CANON", "second"))
        assert one is not None
        assert two is not None
        assert not np.array_equal(one, two)
