"""What a deployment uploads: the functions' folders, the job, and the executors' archive."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from darkroom.errors import DarkroomError, UsageError

ROOT = Path(__file__).parents[2]
MODEL = "mobilenet_v2.onnx"
PAGE = ROOT / "functions" / "page"
MOST_ARCHIVE_BYTES = 200 * 1024 * 1024  # unpacked; more is slow to start
MOST_FUNCTION_BYTES = 250 * 1024 * 1024  # unpacked; Lambda's limit

_PLATFORMS = {
    "X86_64": "x86_64",
    "ARM64": "aarch64",
}
_TAGS = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 35)))  # glibc to 2.34
_EPOCH = (1980, 1, 1, 0, 0, 0)
_JOB_PACKAGES = ("darkroom", "emr_serverless_job")
_FUNCTIONS = {
    "functions": ("darkroom", "functions"),
    "catalog": ("darkroom", "functions"),
    "api": ("darkroom", "functions"),
    "small_job": (*_JOB_PACKAGES, "functions"),
}
# What the wheels of small_job hold that it never loads; with it, it would not fit
_NEVER_LOADED = (
    "pyarrow/*flight*", "pyarrow/include", "pyarrow/src", "pyarrow/tests", "pyarrow/*.p[xy][xid]",
    "pyarrow/libarrow_python.so", "pyarrow/libarrow_python.so.*.*",  # the same file, by other names
    "onnxruntime/capi/libonnxruntime.so.*",  # the module has it in itself
    "onnxruntime/quantization", "onnxruntime/tools", "onnxruntime/transformers",
)  # fmt: skip
_CLIENTS = ("dynamodb", "s3", "sqs", "xray")  # of botocore's, those that small_job makes
_NOT_DEPLOYED = {"__pycache__", "model"}


@dataclass(frozen=True)
class JobFiles:
    """The files of `jobs/<release>/` in the artifacts bucket, by name; `release` names their
    content."""

    release: str
    files: Mapping[str, Path]


def build_functions(folder: Path, dependencies: bool) -> None:
    """Write the functions' folders below `folder`, as Lambda's Python 3.13 on arm64 needs them.
    Without `dependencies` for the local cloud, which has them installed."""
    if not (ROOT / "template.yaml").is_file():
        raise UsageError("deploying needs a checkout of Darkroom, with template.yaml")
    for name, packages in _FUNCTIONS.items():
        target = folder / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        if dependencies:
            install(ROOT / "requirements" / f"{name}.txt", target, "aarch64", "3.13")
        if name == "small_job":
            leave_out_what_is_never_loaded(target)
        page = sorted(path for path in PAGE.iterdir() if path.is_file()) if name == "api" else []
        for source in [*_sources(packages), *page]:
            copy = target / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
        _check_size(target, MOST_FUNCTION_BYTES)


def build_job(folder: Path, model: Path, environment: Path | None) -> JobFiles:
    """Write the job's files; the same sources give the same release."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder / "darkroom.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in _sources(_JOB_PACKAGES):
            member = zipfile.ZipInfo(source.relative_to(ROOT).as_posix(), _EPOCH)
            archive.writestr(member, source.read_bytes(), zipfile.ZIP_DEFLATED)
    files = {
        "main.py": ROOT / "emr_serverless_job" / "main.py",
        "darkroom.zip": packed,
        MODEL: model,
    }
    if environment is not None:
        files["environment.tar.gz"] = environment
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(hashlib.sha256(files[name].read_bytes()).digest())
    return JobFiles(digest.hexdigest()[:16], files)


def build_environment(folder: Path, architecture: str) -> Path:
    """The executors' archive for EMR's Python 3.11, without Docker: wheels for the target
    platform, unpacked side by side. The same requirements give the same file."""
    requirements = ROOT / "requirements" / "executors.txt"
    known = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    archive = folder / f"environment-{architecture.lower()}-{known}.tar.gz"
    if archive.is_file():
        return archive
    unpacked = folder / f"environment-{architecture.lower()}"
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    install(requirements, unpacked, _PLATFORMS[architecture], "3.11")
    _leave_out_tests(unpacked)
    _check_size(unpacked, MOST_ARCHIVE_BYTES)
    pack(unpacked, archive)
    return archive


def pack(folder: Path, archive: Path) -> None:
    """A folder as `tar.gz`; the same content gives the same bytes."""
    partial = archive.with_suffix(".partial")
    with (
        partial.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*")):
            tar.add(path, path.relative_to(folder).as_posix(), recursive=False, filter=_plain)
    partial.replace(archive)


def install(requirements: Path, target: Path, machine: str, python: str) -> None:
    """Put the wheels of a compiled requirements file, for another platform, into a folder."""
    platforms = [word for tag in _TAGS for word in ("--platform", f"{tag}_{machine}")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
               "--no-deps", "--no-compile", "--only-binary=:all:", "--require-hashes",
               "--python-version", python, *platforms,
               "--target", str(target), "--requirement", str(requirements)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DarkroomError(f"pip could not fetch wheels for {machine}:\n{done.stderr.strip()}")


def _sources(packages: Iterable[str]) -> list[Path]:
    """The Python files of packages that run in AWS."""
    found = (path for package in packages for path in (ROOT / package).rglob("*.py"))
    return sorted(p for p in found if not _NOT_DEPLOYED & set(p.relative_to(ROOT).parts))


def leave_out_what_is_never_loaded(folder: Path) -> None:
    """Take out of the installed wheels of `small_job` what it never loads."""
    found = [path for pattern in _NEVER_LOADED for path in folder.glob(pattern)]
    clients = (path for path in folder.glob("botocore/data/*") if path.is_dir())
    for path in {*found, *(path for path in clients if path.name not in _CLIENTS)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    _leave_out_tests(folder)


def _leave_out_tests(folder: Path) -> None:
    """Tests and headers of packages; pip's list of commands."""
    for name in ("tests", "test", "include", "bin"):
        for path in sorted(folder.rglob(name)):
            if (path.is_dir() and not (path / "__init__.py").is_file()) or name == "tests":
                shutil.rmtree(path, ignore_errors=True)


def _check_size(folder: Path, most: int) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > most:
        raise DarkroomError(f"{folder} holds {size} bytes, the limit is {most}")


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry
