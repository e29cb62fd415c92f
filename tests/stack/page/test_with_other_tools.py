"""What the page shows, found by other tools as well."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
from click.testing import CliRunner
from playwright.sync_api import Page

from cli.main import cli
from tests.stack.local_stack import NAME
from tests.stack.page.conftest import HOSTILE


def darkroom(*words: str) -> str:
    """What a command says; the environment is the local cloud's."""
    answer = CliRunner().invoke(cli, [*words, "--stack", NAME])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_the_command_line_finds_the_same(finished: Page, tmp_path: Path, folder: Path) -> None:
    path = f"summer/apple/{HOSTILE}"
    told = json.loads(darkroom("similar", path, "--count", "3", "--json"))
    assert told["similar"][0]["path"] == "summer/apple/00.jpg"
    assert "the same content" in darkroom("similar", path, "--batch", "summer")
    assert "2 images, the same content" in darkroom("duplicates", "summer")
    (group,) = json.loads(darkroom("duplicates", "summer", "--json"))["groups"]
    assert len(group["images"]) == 2
    assert json.loads(darkroom("open", "summer", "--json"))["url"] == finished.url
    (run,) = json.loads(darkroom("status", "summer", "--json"))
    assert run["words"].startswith("done: 63 found = 60 processed")
    sent = json.loads(darkroom("put", str(folder), "--batch", "summer", "--json"))
    assert (sent["sent"], sent["known"]) == (1, 63)  # the page leaves out what is no image
    refused = CliRunner().invoke(cli, ["similar", "none.jpg", "--stack", NAME])
    assert refused.exit_code == 2
    assert "there is no processed image 'none.jpg'" in refused.stderr


def test_downloads_open_in_other_tools(finished: Page, tmp_path: Path) -> None:
    told = json.loads(darkroom("get", "summer", "--out", str(tmp_path), "--fiftyone", "--json"))
    atlas = pq.read_table(told["explore"])
    assert atlas.column_names == ["path", "label", "run", "x", "y", "pca", "image"]
    assert atlas.num_rows == 60
    rows = atlas.to_pylist()
    assert all(row["image"]["bytes"][:3] == b"\xff\xd8\xff" for row in rows)
    assert all(row["pca"][:2] == [row["x"], row["y"]] for row in rows)
    folder = tmp_path / "explore" / "summer.fiftyone"
    labels = json.loads((folder / "labels.json").read_text())
    assert {f"{stem}.jpeg" for stem in labels["labels"]} == set(os.listdir(folder / "data"))
    paths = json.loads((folder / "paths.json").read_text())
    for stem, number in labels["labels"].items():
        assert labels["classes"][number] == paths[stem].split("/")[1]
    (folder / "data" / "erased-since.jpeg").touch()
    darkroom("get", "summer", "--out", str(tmp_path))
    assert {f"{stem}.jpeg" for stem in labels["labels"]} == set(os.listdir(folder / "data"))
