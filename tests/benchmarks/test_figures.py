"""Documents state no figure that no file holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.figures import fill, held, stated, unheld
from benchmarks.table import table
from darkroom.errors import UsageError
from presentation.build import HERE, LANGUAGES
from tests.house.test_documents import DOCUMENTS
from tests.project import ROOT


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_state_what_files_hold(document: Path) -> None:
    assert unheld(document.read_text().replace(table(), "")) == []


def test_the_readme_shows_what_the_demo_printed() -> None:
    assert held()["demo"]["printed"] in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_slides_take_every_figure_from_a_file(language: str) -> None:
    source = (HERE / f"darkroom.{language}.md").read_text()
    written = re.sub(r"\{\{[^}]+\}\}", "", source)
    assert len(re.findall(r"\{\{[^}]+\}\}", source)) > 40
    assert [figure for figure in stated(written) if figure[0] != "0"] == []


@pytest.mark.parametrize("planted", ["333.7 s", "9.93 times", "71 % ", "4,321,987 images", "151 s"])
def test_a_stale_figure_is_found(planted: str) -> None:
    assert unheld(f"All of it took {planted} on two cores.") == [planted.strip()]


def test_a_figure_that_no_file_holds_is_not_filled_in() -> None:
    with pytest.raises(UsageError, match=r"no file holds end_to_end\.minutes"):
        fill("{{end_to_end.minutes}}", "en")


def test_figures_are_written_as_the_language_writes_them() -> None:
    text = "{{end_to_end.images}}: {{code.kept_share:.1%}}, {{code.delay_seconds*1000:.0f}} ms"
    assert fill(text, "en") == "22,688: 99.0%, 30 ms"
    assert fill(text, "fr") == "22\u202f688: 99,0\u202f%, 30 ms"
