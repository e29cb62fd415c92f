"""Folders with things in them that are no files of theirs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.on_stack import put
from darkroom.run.folder import scan_folder
from darkroom.storage.local import read_regular
from tests.conftest import jpeg
from tests.waiting import PATIENCE_SECONDS

Photos = Callable[..., Path]


@pytest.fixture
def folder(photos: Photos, tmp_path: Path) -> Path:
    """Two pictures; links to a file outside, to a device, to folders outside and inside, to a file
    inside, to nothing, to itself; a pipe."""
    made = photos(2)
    (tmp_path / "secret.jpg").write_bytes(jpeg(7))
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "8.jpg").write_bytes(jpeg(8))
    (made / "outside.jpg").symlink_to(tmp_path / "secret.jpg")
    (made / "device.jpg").symlink_to("/dev/zero")
    (made / "folder").symlink_to(tmp_path / "others")
    (made / "circle").symlink_to(made)
    (made / "inside.jpg").symlink_to(made / "apple" / "1.jpg")
    (made / "self.jpg").symlink_to(made / "self.jpg")
    os.mkfifo(made / "pipe.jpg")
    return made


def names(scan: object) -> list[str]:
    return [entry.key.partition("/")[2] for entry in scan.entries]  # type: ignore[attr-defined]


def test_links_that_leave_the_folder_are_named_and_left_out(folder: Path) -> None:
    scan = scan_folder(folder)
    assert names(scan) == ["Pêche plate/0.jpg", "apple/1.jpg", "inside.jpg"]
    assert sorted(map(str, scan.left_out)) == [
        "circle (a link to a folder)",
        "device.jpg (a link that leads out of the folder)",
        "folder (a link to a folder)",
        "outside.jpg (a link that leads out of the folder)",
        "pipe.jpg (no regular file)",
        "self.jpg (a link that leads out of the folder)",
    ]
    assert scan.unreachable == []


def test_they_are_followed_when_that_is_asked_for(folder: Path) -> None:
    scan = scan_folder(folder, follow_links=True)
    assert names(scan) == [
        "Pêche plate/0.jpg", "apple/1.jpg", "folder/8.jpg", "inside.jpg", "outside.jpg", "self.jpg",
    ]  # fmt: skip
    assert sorted(map(str, scan.left_out)) == [
        "circle (a link to a folder that is there already)",
        "device.jpg (no regular file)",
        "pipe.jpg (no regular file)",
    ]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """With 4 GB of address space: what is read without end ends here, and not the machine."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (4 * 1024**3, 4 * 1024**3))

    command = [sys.executable, "-m", "cli.start", "run", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
        preexec_fn=bound,
    )  # fmt: skip


def test_a_run_neither_waits_for_a_pipe_nor_reads_a_device(
    folder: Path, tmp_path: Path, model_file: Path
) -> None:
    done = run(folder, "--out", tmp_path / "out", "--model", model_file)
    assert done.returncode == 0, done.stderr
    assert "3 found = 3 processed + 0 rejected + 0 missing" in done.stdout
    for name in ("outside.jpg", "device.jpg", "folder", "pipe.jpg"):
        assert name in done.stdout
    assert "--follow-links" in done.stdout
    rows = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.csv"))
    assert b"outside" not in rows


def test_an_upload_sends_nothing_from_outside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[str, bytes] = {}

    class Stack:
        class runs:  # noqa: N801
            of_batch = staticmethod(lambda batch: [])
            latest = staticmethod(lambda batch: None)

    monkeypatch.setattr(put, "_listed", lambda stack, batch: {})
    monkeypatch.setattr(put, "put_bytes", lambda stack, key, data: sent.update({key: data}))
    monkeypatch.setattr(put, "_wait_until_counted", lambda *_: True)
    told = put.put_folder(Stack, folder, "spring", ready=True)  # type: ignore[arg-type]
    assert sorted(sent) == [
        "spring/Pêche plate/0.jpg", "spring/_READY", "spring/apple/1.jpg", "spring/inside.jpg",
    ]  # fmt: skip
    assert (told.sent, told.unreadable, len(told.left_out)) == (3, [], 6)
    assert jpeg(7) not in sent.values()


def test_a_folder_that_cannot_be_listed_fails_what_is_done_without_it(
    photos: Photos, tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a user who may not: root may list everything, so the error is planted."""
    made = photos(2)
    (made / "closed").mkdir()
    walk = os.walk

    def walked(top: Path, onerror: Callable[[OSError], None], followlinks: bool) -> object:
        onerror(PermissionError(13, "Permission denied", str(made / "closed")))
        return walk(top, followlinks=followlinks)

    monkeypatch.setattr("darkroom.run.folder.os.walk", walked)
    assert [str(one) for one in scan_folder(made).unreachable] == [
        "closed (cannot be listed: Permission denied)"
    ]
    from click.testing import CliRunner

    from cli.main import cli

    words = ["run", str(made), "--out", str(tmp_path / "out"), "--model", str(model_file)]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 1
    assert "closed (cannot be listed: Permission denied)" in done.output


def test_a_name_that_is_not_utf8_is_named_and_the_others_are_worked(
    photos: Photos, tmp_path: Path, model_file: Path
) -> None:
    made = photos(2)
    Path(os.fsdecode(os.fsencode(made) + b"/caf\xe9.jpg")).write_bytes(jpeg(3))
    done = run(made, "--out", tmp_path / "out", "--model", model_file)
    assert "2 found = 2 processed" in done.stdout
    assert done.returncode == 1
    assert r"caf\xe9.jpg (its name is not valid UTF-8: rename it)" in done.stderr


def test_a_file_that_grows_while_it_is_read_is_not_taken_for_whole(tmp_path: Path) -> None:
    file = tmp_path / "log.jpg"
    file.write_bytes(b"x" * 1000)
    stat = os.fstat

    def then_it_grows(descriptor: int) -> os.stat_result:
        told = stat(descriptor)
        with file.open("ab") as more:
            more.write(b"y")
        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("darkroom.storage.local.os.fstat", then_it_grows)
        with pytest.raises(OSError, match="it changed while it was read"):
            read_regular(file)
    assert len(read_regular(file)) == 1001


@pytest.mark.parametrize("name", ["/dev/zero", "/proc/self"], ids=["device", "folder"])
def test_only_regular_files_are_read(name: str) -> None:
    with pytest.raises(OSError, match=r"no regular file|Is a directory"):
        read_regular(Path(name))
