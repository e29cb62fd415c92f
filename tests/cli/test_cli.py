"""`darkroom` as a user runs it: in a process of its own."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from cli.main import _FAMILIES, cli
from cli.terminal.progress import Progress
from tests.conftest import jpeg, make_onnx
from tests.waiting import PATIENCE_SECONDS

Photos = Callable[..., Path]


def darkroom(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.start", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def test_two_runs_of_a_growing_folder(photos: Photos, tmp_path: Path, model_file: Path) -> None:
    folder, out = photos(30), tmp_path / "out"
    (folder / "broken.jpg").write_bytes(b"")
    (folder / ".DS_Store").write_bytes(b"\0")
    run = ("run", folder, "--out", out, "--model", model_file)
    first = darkroom(*run, "--plot")
    assert first.returncode == 0, first.stderr
    assert "31 found = 30 processed + 1 rejected + 0 missing" in first.stdout
    assert "1 empty" in first.stdout
    assert "carries only 29 components, the other 21 columns are zeros" in first.stdout
    assert first.stderr == ""
    assert (out / "map.png").stat().st_size > 10_000

    exported = out / "Results_CSV/spring/run=1.csv"
    text = exported.read_bytes()
    exported.unlink()  # as if the process had died before it was written
    nothing = darkroom(*run)
    assert nothing.returncode == 0
    assert "nothing new" in nothing.stdout
    assert exported.read_bytes() == text

    photos(6, first=30)
    (folder / "apple" / "1.jpg").write_bytes(jpeg(99))
    second = darkroom(*run, "--plot")
    assert second.returncode == 0, second.stderr
    assert "run 2: 7 files" in second.stdout
    assert "7 found = 7 processed" in second.stdout
    paths = pq.read_table(out / "Results" / "batch=spring" / "run=2")["path"].to_pylist()
    assert "spring/apple/1.jpg" in paths
    assert len(paths) == 7
    lines = [path.read_text().count("\n") for path in sorted(out.glob("Results_CSV/spring/*"))]
    assert lines == [31, 8]


def test_a_file_that_could_not_be_read_is_tried_again(
    photos: Photos, tmp_path: Path, model_file: Path
) -> None:
    folder = photos(3)
    (folder / "late.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    run = ("run", folder, "--follow-links", "--out", tmp_path / "out", "--model", model_file)
    assert "4 found = 3 processed + 0 rejected + 1 missing" in darkroom(*run).stdout
    assert "nothing new" in darkroom(*run).stdout
    (tmp_path / "elsewhere.jpg").write_bytes(jpeg(9))
    assert "run 2: 1 files" in darkroom(*run).stdout


def test_a_failed_run_is_done_again(photos: Photos, tmp_path: Path, model_file: Path) -> None:
    run = ("run", photos(3), "--out", tmp_path / "out", "--model", model_file)
    darkroom(*run)
    (tmp_path / "out/receipts/spring/run=1.json").unlink()
    again = darkroom(*run)
    assert "run 1: 3 files" in again.stdout
    assert again.returncode == 0


@pytest.mark.parametrize(
    ("arrange", "message"),
    [
        pytest.param(lambda base: base.mkdir(), "there are no files in", id="empty-folder"),
        pytest.param(lambda base: None, "is not a folder", id="no-folder"),
    ],
)
def test_folders_that_cannot_be_worked_with(
    arrange: Callable[[Path], None], message: str, tmp_path: Path, model_file: Path
) -> None:
    arrange(tmp_path / "in")
    answer = darkroom("run", tmp_path / "in", "--out", tmp_path / "out", "--model", model_file)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr


def test_results_inside_the_images_are_refused(photos: Photos, model_file: Path) -> None:
    folder = photos(1)
    answer = darkroom("run", folder, "--out", folder / "out", "--model", model_file)
    assert answer.returncode == 2
    assert "choose another place" in answer.stderr


def test_an_output_that_cannot_be_written(photos: Photos, tmp_path: Path, model_file: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    answer = darkroom("run", photos(1), "--out", tmp_path / "taken", "--model", model_file)
    assert answer.returncode == 2
    assert "cannot write to" in answer.stderr


def test_a_second_run_at_the_same_time_is_refused(
    photos: Photos, tmp_path: Path, model_file: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = darkroom("run", photos(1), "--out", out, "--model", model_file)
    assert answer.returncode == 2
    assert "another darkroom run is writing" in answer.stderr


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param(b"no model", "not a usable ONNX model", id="not-onnx"),
        pytest.param(make_onnx(dtype="FLOAT"), "a backbone takes uint8", id="wrong-shape"),
        pytest.param(None, "no model file at", id="not-there"),
    ],
)
def test_models_that_are_none(
    model: bytes | None, message: str, photos: Photos, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    if model is not None:
        path.write_bytes(model)
    answer = darkroom("run", photos(1), "--out", tmp_path / "out", "--model", path)
    assert answer.returncode == 2
    assert message in answer.stderr


def test_another_backbone_for_the_same_results(
    photos: Photos, tmp_path: Path, model_file: Path
) -> None:
    folder = photos(3)
    darkroom("run", folder, "--out", tmp_path / "out", "--model", model_file)
    photos(1, first=5)
    other = tmp_path / "other.onnx"
    other.write_bytes(make_onnx(pool=16))
    answer = darkroom("run", folder, "--out", tmp_path / "out", "--model", other)
    assert answer.returncode == 2
    assert "use the model they were made with, or another output" in answer.stderr


@pytest.mark.long
def test_a_job_that_breaks_is_reported(photos: Photos, tmp_path: Path, model_file: Path) -> None:
    out = tmp_path / "out"
    (out / "Results").mkdir(parents=True)
    (out / "Results" / "batch=spring").write_text("in the way")
    run = ("run", photos(3), "--out", out, "--model", model_file)
    answer = darkroom(*run)
    assert answer.returncode == 2
    assert "Not a directory" in answer.stderr
    on_spark = darkroom(*run, "--engine", "spark")
    assert on_spark.returncode == 1
    assert "the job failed" in on_spark.stderr
    assert "spark.log" in on_spark.stderr
    assert "Traceback" not in answer.stderr + on_spark.stderr


def test_bad_options_are_bad_usage(photos: Photos, tmp_path: Path) -> None:
    assert darkroom("run", photos(1)).returncode == 2
    slash = darkroom("run", photos(1), "--out", tmp_path / "out", "--batch", "a/b")
    assert slash.returncode == 2
    assert "cannot name a batch" in slash.stderr


def test_a_terminal_sees_a_bar(photos: Photos, tmp_path: Path, model_file: Path) -> None:
    leader, follower = os.openpty()
    termios.tcsetwinsize(follower, (25, 100))
    command = [sys.executable, "-m", "cli.main", "run", str(photos(40))]
    command += ["--out", str(tmp_path / "out"), "--model", str(model_file)]
    with subprocess.Popen(command, stdout=follower, stderr=subprocess.PIPE) as process:
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
        process.wait()
    os.close(leader)
    assert b"40/40" in shown
    assert b"images/s" in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end is closed
        return b""


def test_elsewhere_progress_is_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("cli.terminal.progress.monotonic", lambda: float(next(clock)))
    progress = Progress(100)
    for done in (0, 50, 100):
        progress.show(done)
    progress.close()
    lines = capsys.readouterr().out.splitlines()
    assert all("\r" not in line for line in lines)
    assert any(line.startswith("50 of 100 images, ") and "s left" in line for line in lines)


@pytest.mark.parametrize("family", _FAMILIES)
def test_commands_of_all_families_are_found(family: str) -> None:
    commands = import_module(f"cli.commands.{family}").COMMANDS
    assert tuple(command.name for command in commands) == _FAMILIES[family]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str) -> None:
    answer = CliRunner().invoke(cli, ["completion", shell])
    assert answer.exit_code == 0
    assert "_DARKROOM_COMPLETE" in answer.stdout
