"""The job with the executors' archive on images like EMR's, of which no public text says what they
bring: the oldest and the newest packages that they could; and the function for small batches with
what is left of its wheels. `make images`; some three minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from cli.deploying.build import (
    ROOT,
    build_environment,
    install,
    leave_out_what_is_never_loaded,
)
from cli.on_this_machine.home import home
from darkroom import manifest
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.run.folder import walk_folder
from darkroom.storage.local import LocalStore
from local_cloud.spark.java import java_home
from tests.conftest import jpeg, make_onnx
from tests.emr_serverless_job.test_entry_point import logged

# The oldest that Spark 4.0 takes and that are built for Python 3.11; the newest there are.
IMAGES = {
    "oldest": ("numpy==1.26.4", "pandas==2.0.0", "pyarrow==11.0.0"),
    "between": ("numpy==1.26.4", "pandas==2.2.3", "pyarrow==19.0.1"),
    "newest": ("numpy", "pandas", "pyarrow"),
}

RUN = Run("batch", 1)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    build_environment(folder, "X86_64")
    return folder / "environment-x86_64"


@pytest.mark.parametrize("image", IMAGES)
def test_a_run_is_done_and_balances(image: str, archive: Path, tmp_path: Path) -> None:
    import pyspark

    python = environment(tmp_path / "image", *IMAGES[image])
    spark = tmp_path / "spark"
    spark.mkdir()
    for package in ("pyspark", "py4j"):
        (spark / package).symlink_to(Path(pyspark.__file__).parents[1] / package)
    pictures = tmp_path / "pictures"
    (pictures / "batch" / "apple").mkdir(parents=True)
    for seed in range(60):
        (pictures / "batch" / "apple" / f"{seed}.jpg").write_bytes(jpeg(seed))
    (pictures / "batch" / "apple" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "model.onnx").write_bytes(make_onnx())
    listed = tmp_path / "manifest.jsonl.gz"
    listed.write_bytes(manifest.pack(walk_folder(pictures)))
    done = subprocess.run(
        [spark / "pyspark" / "bin" / "spark-submit", "--master", "local[2]",
         "--conf", "spark.ui.enabled=false", ROOT / "emr_serverless_job" / "main.py",
         "--manifest", listed, "--output", tmp_path / "out", "--model", tmp_path / "model.onnx",
         "--batch", "batch", "--run", "1"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SPARK_LOCAL_IP": "127.0.0.1",
             "JAVA_HOME": str(java_home(home())), "PYSPARK_PYTHON": str(python),
             "PYSPARK_DRIVER_PYTHON": str(python),
             "PYTHONPATH": f"{archive}:{spark}:{ROOT}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = logged(done)
    assert (told["found"], told["processed"], told["rejected"]) == (61, 60, 1)


_WORK = """
import json, sys
from darkroom.images.contract import DISPLAY
from darkroom.images.outcome import Limits
from darkroom.layout import Run
from functions import small_job
from functions.small_batches.worker import Worker
out, model = sys.argv[1:]
Worker(out, model, Limits(), True, DISPLAY, 2).work(Run("batch", 1), None, lambda: False)
print(json.dumps(sorted({module.partition(".")[0] for module in sys.modules})))
"""


def test_the_package_of_small_job_works_a_run(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    version = "{}.{}".format(*sys.version_info)
    install(ROOT / "requirements" / "small_job.txt", packages, "x86_64", version)
    leave_out_what_is_never_loaded(packages)
    for source in ("darkroom", "emr_serverless_job", "functions"):
        (packages / source).symlink_to(ROOT / source)
    pictures = tmp_path / "pictures"
    (pictures / "batch" / "apple").mkdir(parents=True)
    for seed in range(60):
        (pictures / "batch" / "apple" / f"{seed}.jpg").write_bytes(jpeg(seed))
    (tmp_path / "model.onnx").write_bytes(make_onnx())
    results = LocalStore(tmp_path / "out")
    results.write(f"{RUN.manifest}/part-00000.jsonl.gz", manifest.pack(walk_folder(pictures)))
    venv.create(tmp_path / "python")
    words = [tmp_path / "python" / "bin" / "python", "-c", _WORK, results.root]
    done = subprocess.run(
        [*words, tmp_path / "model.onnx"], capture_output=True, text=True, check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(packages), "POWERTOOLS_SERVICE_NAME": "darkroom",
             "POWERTOOLS_METRICS_NAMESPACE": "Darkroom", "AWS_DEFAULT_REGION": "eu-west-1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    account = receipt.unpack(results.read(RUN.receipt))
    assert (account.found, account.processed) == (60, 60)
    assert "pandas" not in json.loads(done.stdout.splitlines()[-1])


def environment(folder: Path, *packages: str) -> Path:
    """A Python 3.11 with these packages and nothing else."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    assert sys.version_info[:2] == (3, 11)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python
