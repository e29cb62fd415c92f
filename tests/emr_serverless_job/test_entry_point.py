"""`main.py` as EMR Serverless starts it: by `spark-submit`, the packages in a zip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.on_this_machine.home import home
from darkroom import manifest
from darkroom.run.folder import walk_folder
from emr_serverless_job.main import parse
from local_cloud.spark.java import java_home
from tests.project import ROOT
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("zip") / "darkroom.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for package in ("darkroom", "emr_serverless_job"):
            for path in (ROOT / package).rglob("*.py"):
                archive.write(path, path.relative_to(ROOT))
    return target


def submit(packages: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Somewhere else, with only the dependencies to import: not this checkout."""
    import pyspark

    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "SPARK_HOME")
    }
    environment |= {
        "JAVA_HOME": str(java_home(home())),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    submit_ = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = [submit_, "--master", "local[2]", "--conf", "spark.ui.enabled=false"]
    command += ["--py-files", packages, ROOT / "emr_serverless_job" / "main.py", *arguments]
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True, text=True, cwd=folder, env=environment,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


def logged(answer: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """The job's own line of log; spark-submit sends a Python driver's two streams to one."""
    line = next(line for line in answer.stdout.splitlines() if '"outcome"' in line)
    found: dict[str, object] = json.loads(line)
    return found


@pytest.mark.long
def test_a_manifest_in_a_receipt_out(
    packages: Path, photos: Callable[..., Path], tmp_path: Path, model_file: Path
) -> None:
    entries = walk_folder(photos(40))
    for number, part in enumerate((entries[:25], entries[25:])):
        (tmp_path / "manifest").mkdir(exist_ok=True)
        (tmp_path / "manifest" / f"part-{number}.jsonl.gz").write_bytes(manifest.pack(part))
    answer = submit(
        packages, tmp_path,
        "--manifest", tmp_path / "manifest", "--output", (tmp_path / "out").as_uri(),
        "--model", model_file.as_uri(), "--batch", "spring", "--run", 3,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    outcome = logged(answer)
    assert outcome["outcome"] == "done"
    assert (outcome["batch"], outcome["run"], outcome["processed"]) == ("spring", 3, 40)
    receipt = json.loads((tmp_path / "out/receipts/spring/run=3.json").read_text())
    assert (receipt["state"], receipt["found"]) == ("done", 40)
    assert not (tmp_path / "out/Results_CSV").exists()  # that is the second Lambda's


@pytest.mark.long
def test_a_failure_is_an_exit_code_and_a_line(
    packages: Path, photos: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    answer = submit(
        packages, tmp_path,
        "--input", photos(2), "--output", tmp_path / "out", "--model", tmp_path / "model.onnx",
        "--batch", "spring", "--run", 1,
    )  # fmt: skip
    assert answer.returncode == 1
    outcome = logged(answer)
    assert (outcome["outcome"], outcome["error"]) == ("failed", "BackboneError")


@pytest.mark.usefixtures("s3_server")
def test_arguments_become_a_request(
    photos: Callable[..., Path], tmp_path: Path, model_file: Path
) -> None:
    part = tmp_path / "part.jsonl.gz"
    part.write_bytes(manifest.pack(walk_folder(photos(3))))
    where: Any = {"LocationConstraint": "eu-west-1"}
    boto3.client("s3").create_bucket(Bucket="arguments", CreateBucketConfiguration=where)
    words = (
        f"--manifest {part} {part} --output s3://arguments --batch b --model {model_file} --run 2 "
        "--reader binaryFile --pca spark --max-bytes 7 --max-pixels 8"
    )
    (request,) = parse(words.split()).requests
    assert len(request.entries) == 3  # named twice, taken once
    assert (request.limits.max_bytes, request.limits.max_pixels) == (7, 8)
    assert (request.reader, request.pca) == ("binaryFile", "spark")
