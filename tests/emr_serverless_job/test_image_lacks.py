"""What a job says of an image that lacks what it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emr_serverless_job.image import lacking
from tests.project import ROOT


def test_this_environment_lacks_nothing() -> None:
    assert lacking() == []


@pytest.mark.parametrize(
    ("package", "place"),
    [("numpy", "ReleaseLabel"), ("pyarrow", "ReleaseLabel"), ("onnxruntime", "deploy again")],
)
def test_each_package_is_named_with_what_to_do(package: str, place: str) -> None:
    def load(name: str) -> object:
        if name == package:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return object()

    (line,) = lacking(load)
    assert package in line
    assert place in line


def test_a_job_says_so_in_its_first_line(tmp_path: Path) -> None:
    """Whatever the import fails with: here as pyarrow does that was built for another NumPy."""
    (tmp_path / "pyarrow.py").write_text("raise SystemError('built for another NumPy')")
    done = subprocess.run(
        [sys.executable, str(ROOT / "emr_serverless_job" / "main.py"), "--run-of", "batch/1"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert told["outcome"] == "failed"  # the line that `darkroom status` shows
    assert "the image lacks pyarrow (SystemError: built for another NumPy)" in told["message"]
