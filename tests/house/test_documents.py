"""What the documents say is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.table import table
from cli.main import cli
from darkroom.regions import EU_REGIONS
from tests.house.rooms import KNOWN, MAY_KNOW
from tests.project import ROOT, template

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
def test_modules_that_are_named_exist(document: Path) -> None:
    files = [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("[a-z]*/**/*.py")]
    for name in re.findall(r"`([\w/]+\.py)`", document.read_text()):
        assert any(file.endswith(f"/{name}") for file in files), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    text, makefile = document.read_text(), (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", makefile, re.M), target
    for command in set(re.findall(r"`darkroom ([a-z]+)", text)):
        assert CliRunner().invoke(cli, [command, "--help"]).exit_code == 0, command


def test_options_exist() -> None:
    text = (ROOT / "README.md").read_text()
    lines = re.findall(r"^\$ \.venv/bin/darkroom (?:--local )?([a-z]+) (.*)$", text, re.M)
    assert lines
    for command, words in lines:
        answer = CliRunner().invoke(cli, [command, "--help"])
        for option in re.findall(r"--[a-z-]+", words):
            assert option in answer.output


def test_the_folder_map_is_complete() -> None:
    """It names every top folder, and every room."""
    text = (ROOT / "README.md").read_text()
    listed = re.findall(r"^\| `([a-z_/]+)/` \|", text, re.M)
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    top = {name.split("/")[0] for name in tracked if "/" in name} - {".ci"}
    rooms = {room.replace(".", "/") for room in MAY_KNOW}
    assert sorted(listed) == sorted({*top, *rooms, "functions/page"})


def test_the_house_is_drawn_as_it_stands() -> None:
    """docs/architecture.md draws the rooms, each floor on what it stands on."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    drawing = text.partition("## The house")[2].partition("```")[2].partition("```")[0]
    floors = [set(re.findall(r"[a-z_]+(?:\.[a-z_]+)*", line.partition("  #")[0]))
              for line in drawing.splitlines()]  # fmt: skip
    drawn = [room for floor in floors for room in floor]
    assert sorted(drawn) == sorted(MAY_KNOW)
    for number, floor in enumerate(floors):
        below = {room for lower in floors[number + 1 :] for room in lower}
        for room in floor:
            assert KNOWN[room] - {room} <= below, f"{room} stands on what is not below it"


def test_measured_numbers_are_those_of_the_results() -> None:
    assert table() in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(("document", "least"), [("privacy.md", 20), ("criteria.md", 35)])
def test_named_lines_say_what_the_document_claims(document: str, least: int) -> None:
    claims = re.findall(r"`([\w./]+):(\d+)` `([^`]+)`", (ROOT / "docs" / document).read_text())
    assert len(claims) >= least
    for file, line, text in claims:
        lines = (ROOT / file).read_text().splitlines()
        now = [number for number, found in enumerate(lines, 1) if text in found]
        assert int(line) in now, f"{file}: {text!r} stands in line {now}, not {line}"


def test_named_tests_and_measurements_exist() -> None:
    text = (ROOT / "docs/criteria.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 20
    assert [name for name in named if f"def {name}(" not in tests] == []
    for result in re.findall(r"`(benchmarks/results/\w+\.json)`", text):
        assert (ROOT / result).is_file(), result


def test_each_criterion_is_answered_in_both_languages() -> None:
    parts = re.split(r"^## ", (ROOT / "docs/criteria.md").read_text(), flags=re.M)[1:]
    expected = ["C1.CE1", "C1.CE2", "C2.CE1", "C2.CE2", "C2.CE3", "C3.CE1", "C3.CE2", "C3.CE3",
                "C3.CE4"]  # fmt: skip
    assert [part.split(":")[0] for part in parts] == expected
    for part in parts:
        assert all(word in part for word in ("**FR.**", "**EN.**", "Preuve / proof:"))


def test_exceptions_of_the_linters_are_those_of_the_privacy_document() -> None:
    text = (ROOT / "docs/privacy.md").read_text()
    listed = set(re.findall(r"CKV_AWS_\d+", text))
    assert listed == set(re.findall(r"CKV_AWS_\d+", (ROOT / "template.yaml").read_text()))
    assert f"exceptions of {len(listed)} kinds" in text


def test_retention_is_that_of_the_template() -> None:
    text = (ROOT / "docs/privacy.md").read_text()
    parameters = template()["Parameters"]
    stated = re.findall(r"\| `(\w+Days)` \| (\d+) \|", text)
    assert {name for name, _ in stated} == {name for name in parameters if name.endswith("Days")}
    assert all(parameters[name]["Default"] == int(days) for name, days in stated)


def test_the_service_control_policy_names_the_regions() -> None:
    policy = json.loads((ROOT / "docs/service-control-policy.json").read_text())
    region, _ = policy["Statement"]
    assert region["Condition"]["StringNotEquals"]["aws:RequestedRegion"] == list(EU_REGIONS)


@pytest.mark.parametrize("file", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda f: f.name)
def test_notebooks_import_what_is_there(file: Path) -> None:
    cells = [cell for cell in json.loads(file.read_text())["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
    ours = tuple({room.partition(".")[0] for room in MAY_KNOW})
    named = [line for line in lines if re.match(rf"from ({'|'.join(ours)})\b", line)]
    assert named
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(named)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
