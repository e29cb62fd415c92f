"""The notebooks run, on two small batches."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.project import ROOT
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.long

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert not re.search(r"/home/|/Users/|/root/|/tmp/", path.read_text())


class Outputs:
    """What the cells of a notebook show."""

    def __init__(self, name: str) -> None:
        (path,) = [path for path in NOTEBOOKS if path.name == name]
        notebook = nbformat.read(path, as_version=4)
        resources = {"metadata": {"path": os.fspath(path.parent)}}
        NotebookClient(
            notebook, timeout=PATIENCE_SECONDS, kernel_name="python3", resources=resources
        ).execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        data = [output.get("data", {}) for output in outputs]
        self.text = "".join(output.get("text", "") for output in outputs)
        self.pictures = sum("image/png" in shown for shown in data)
        self.tables = [shown["text/html"] for shown in data if "text/html" in shown]
        self.streams = {output.get("name") for output in outputs}


@pytest.fixture(autouse=True)
def _folders_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


def test_a_finished_batch_is_explored(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_RESULTS", str(place / "results"))
    shown = Outputs("explore.ipynb")
    assert "2 finished runs, PCA version 2" in shown.text
    assert "spring, run 1: 33 found = 31 processed + 2 rejected + 0 missing" in shown.text
    assert "1 groups of near duplicates, 1 with the same bytes" in shown.text
    assert shown.pictures == 6  # variance, map, neighbours, a group, outliers, clusters
    assert len(shown.tables) == 3  # reasons by run, the rejected, labels by cluster
    assert "not_an_image" in shown.tables[1]
    assert "stderr" not in shown.streams


def test_the_steps_of_the_job_run_one_by_one(
    place: Path, tmp_path: Path, onnx_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(onnx_bytes)
    monkeypatch.setenv("DARKROOM_IMAGES", str(place / "spring"))
    monkeypatch.setenv("DARKROOM_MODEL", str(model))
    shown = Outputs("job.ipynb")
    assert "/run=1: 2 Parquet files" in shown.text
    assert "least cosine to those of pyspark.ml: 1.000000" in shown.text
    assert shown.text.count("33 found = 31 processed + 2 rejected + 0 missing") == 2
    assert "spring/apple/empty.jpg: empty" in shown.text
    assert "31 rows" in shown.text
    assert shown.pictures == 4  # decoded pictures, features, variance, map
    assert len(shown.tables) == 2  # labels, the rejected
