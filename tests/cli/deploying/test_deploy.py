"""What a deployment uploads, and `deploy` and `destroy` themselves, on the local cloud."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cli.deploying import build
from cli.deploying.build import build_environment, build_functions, build_job, pack
from cli.deploying.deploy import Deployment, deploy
from cli.deploying.stack_name import LONGEST
from darkroom.errors import DarkroomError, UsageError
from darkroom.regions import EU_REGIONS

IN_THE_ARCHIVE = ("boto3", "obstore", "onnxruntime", "PIL")


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


@pytest.mark.long
def test_the_archive_holds_all_that_the_job_imports(builds: Path) -> None:
    """In a Python 3.11 that sees nothing else but NumPy; on the machine's own architecture."""
    archive = build_environment(builds, "X86_64")
    unpacked = builds / "environment-x86_64"
    size = sum(path.stat().st_size for path in unpacked.rglob("*") if path.is_file())
    assert size < build.MOST_ARCHIVE_BYTES
    assert archive.stat().st_size < 100e6
    assert not (unpacked / "sympy").exists()
    assert not (unpacked / "numpy").exists()  # the image's own, which its pyarrow is built for
    if platform.machine() == "x86_64" and sys.version_info[:2] == (3, 11):
        image = builds / "image"
        image.mkdir()
        for package in ("numpy", "numpy.libs"):
            (image / package).symlink_to(Path(np.__file__).parents[1] / package)
        words = "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]; "
        words += f"sys.path[:0] = [{str(unpacked)!r}, {str(image)!r}]; "
        words += f"import {', '.join(IN_THE_ARCHIVE)}; "
        words += "assert onnxruntime.__file__.startswith(sys.path[0])"
        command = [sys.executable, "-I", "-S", "-c", words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_same_content_gives_the_same_archive(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "package").mkdir(parents=True)
        (tmp_path / name / "package" / "module.py").write_text("x = 1")
        pack(tmp_path / name, tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


@pytest.mark.long
def test_the_other_architecture_has_wheels_too(builds: Path) -> None:
    build.install(build.ROOT / "requirements" / "executors.txt", builds, "aarch64", "3.11")
    (machine_code,) = (builds / "onnxruntime" / "capi").glob("onnxruntime_pybind11_state*.so")
    assert machine_code.read_bytes()[18:20] == b"\xb7\x00"  # ELF's number of aarch64


@pytest.mark.long
def test_the_functions_fit_into_lambda(builds: Path) -> None:
    build_functions(builds, dependencies=True)
    for name in ("functions", "catalog"):
        folder = builds / name
        assert (folder / "functions" / "runs" / "state_machine.py").is_file()
        assert (folder / "aws_lambda_powertools").is_dir()
        assert not (folder / "cli").exists()
    assert not (builds / "functions" / "pyarrow").exists()
    (machine_code,) = (builds / "catalog" / "pyarrow").glob("lib.*.so")
    assert "cpython-313-aarch64" in machine_code.name


def test_the_same_sources_give_the_same_release(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"one")
    one = build_job(tmp_path / "a", model, None)
    two = build_job(tmp_path / "b", model, None)
    model.write_bytes(b"two")
    assert one.release == two.release != build_job(tmp_path / "c", model, None).release


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MOST_FUNCTION_BYTES", 1000)
    with pytest.raises(DarkroomError, match="the limit is 1000"):
        build_functions(tmp_path, dependencies=False)


@pytest.mark.parametrize(
    ("name", "region", "words"),
    [
        ("darkroom", "us-east-1", "processed in the EU alone"),
        ("darkroom", "eu-west-2", "processed in the EU alone"),
        ("darkroom", "", "choose with --region"),
        ("Darkroom", "eu-west-1", "lower-case letters"),
        ("d", "eu-west-1", "3 to 25 characters"),
        ("d" * 26, "eu-west-1", "3 to 25 characters"),
        ("photos-", "eu-west-1", "no hyphen at its end"),
        ("my--photos", "eu-west-1", "no two in a row"),
        ("photos-aws", "eu-west-1", "'aws'"),
        ("amazonas", "eu-west-1", "'amazon'"),
        ("cognito-test", "eu-west-1", "'cognito'"),
    ],
    ids=[
        "america",
        "britain",
        "nowhere",
        "capitals",
        "short",
        "long",
        "hyphen",
        "hyphens",
        "aws",
        "amazon",
        "cognito",
    ],
)
def test_bad_places_and_names_are_refused(
    name: str, region: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        deploy(Deployment(name, region, tmp_path / "model.onnx"))


def test_a_name_that_is_long_enough_is_short_enough_everywhere() -> None:
    """S3's rule, for each bucket of the template in each region."""
    buckets = re.findall(r"BucketName: !Sub \"(.*)\"", (build.ROOT / "template.yaml").read_text())
    assert len(buckets) == 4
    for region, bucket in product(EU_REGIONS, buckets):
        for name, value in {"StackName": "d" * LONGEST, "AccountId": "0" * 12,
                            "Region": region}.items():  # fmt: skip
            bucket = bucket.replace(f"${{AWS::{name}}}", value)
        assert len(bucket) <= 63


def test_a_parameter_that_the_template_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no parameter QuitSeconds"):
        deploy(Deployment("dark", "eu-west-1", tmp_path / "m", {"QuitSeconds": "30"}, dry_run=True))


def test_a_dry_run_builds_and_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # nobody answers there
    model = tmp_path / "model.onnx"
    model.write_bytes(b"model")
    parameters = {"QuietSeconds": "30"}
    deployment = Deployment("dark", "eu-west-1", model, parameters, archive=False, dry_run=True)
    assert deploy(deployment) is None
    told = capsys.readouterr().out
    assert "parameter QuietSeconds = 30" in told
    assert "nothing was sent to AWS" in told
