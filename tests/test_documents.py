"""What the documents say is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.table import table

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "local_cloud" / "FIDELITY.md",
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    text, makefile = document.read_text(), (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.M), target
    for command in set(re.findall(r"`darkroom ([a-z]+)", text)):
        asked = [sys.executable, "-m", "darkroom.cli.main", command, "--help"]
        assert subprocess.run(asked, capture_output=True, check=False).returncode == 0, command


def test_options_exist() -> None:
    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^\$ \.venv/bin/darkroom (?:--local )?([a-z]+) (.*)$", text, re.M)
    assert lines
    for command, words in lines:
        asked = [sys.executable, "-m", "darkroom.cli.main", command, "--help"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=True)
        for option in re.findall(r"--[a-z-]+", words):
            assert option in answer.stdout


def test_the_folder_map_is_complete() -> None:
    text = (ROOT / "README.md").read_text()
    listed = set(re.findall(r"^\| `([a-z_/]+)/` \|", text, re.M))
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {name.split("/")[0] for name in tracked if "/" in name}
    assert top - {".ci"} <= listed
    assert all((ROOT / name).is_dir() for name in listed)


def test_measured_numbers_are_those_of_the_results() -> None:
    assert table() in (ROOT / "README.md").read_text()
