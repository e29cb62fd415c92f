"""Spark's Java: the machine's, or the one from the package index where there is none."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local_cloud.spark import java
from local_cloud.spark.java import java_home, java_major
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.long


@pytest.fixture
def tools_without_java(tmp_path: Path) -> str:
    """A PATH with everything in /usr/bin but Java."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in Path("/usr/bin").iterdir():
        if not tool.name.startswith("java"):
            (folder / tool.name).symlink_to(tool)
    return str(folder)


def test_without_java_a_whole_run_uses_the_packaged_one(
    tools_without_java: str, photos: Callable[..., Path], tmp_path: Path, model_file: Path
) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"}
    environment = {**kept, "PATH": tools_without_java, "DARKROOM_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-m", "cli.main", "run", str(photos(5))]
    command += ["--model", str(model_file), "--out"]
    for out, engine in ((tmp_path / "threads", "threads"), (tmp_path / "spark", "spark")):
        assert java_major(tmp_path / "home" / "java") is None  # threads need none
        answer = subprocess.run(
            [*command, str(out), "--engine", engine],
            capture_output=True, text=True, env=environment, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert answer.returncode == 0, answer.stderr
        assert "5 found = 5 processed" in answer.stdout
    assert java_major(tmp_path / "home" / "java") in java.SUPPORTED


def test_an_unsupported_java_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old" / "bin" / "java"
    old.parent.mkdir(parents=True)
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert java_major(tmp_path / "old") == 11
    assert java_home(tmp_path) == tmp_path / "java"


def test_a_folder_without_java_has_no_version(tmp_path: Path) -> None:
    assert java_major(tmp_path) is None
