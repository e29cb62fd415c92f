"""A library that aborts, hangs or eats memory over some images costs these, on each engine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pillow_jxl  # which writes them
import pyarrow.parquet as pq
import pytest

from darkroom.run import receipt
from tests.conftest import encoded, picture
from tests.waiting import PATIENCE_SECONDS

Photos = Callable[..., Path]

_PLANTED = """
import os, resource, time
kept = []
class Decoder:
    def __init__(self, num_threads):
        pass
    def __call__(self, data):
        if data.endswith(b"abort"):
            os.abort()
        while data.endswith(b"eat"):
            kept.append(bytes(bytearray(1 << 20)))
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 1, -1))
        while True:
            pass
"""
_REASONS = {"abort": "decoder_crashed", "eat": "decoder_crashed", "compute": "too_slow"}


@pytest.mark.parametrize("engine", ["threads", pytest.param("spark", marks=pytest.mark.long)])
def test_a_broken_decoder_costs_the_images_that_break_it(
    engine: str, photos: Photos, tmp_path: Path, model_file: Path
) -> None:
    folder, planted, out = photos(40), tmp_path / "planted", tmp_path / "out"
    planted.mkdir()
    (planted / "pillow_jxl.py").write_text(_PLANTED)
    assert pillow_jxl
    sound = encoded(picture(), "JXL")
    for what in _REASONS:
        (folder / f"{what}.jxl").write_bytes(sound + what.encode())
    command = [sys.executable, "-m", "cli.start", "run", folder, "--out", out, "--model",
               model_file, "--engine", engine]  # fmt: skip
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS, env={**os.environ, "PYTHONPATH": str(planted)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    account = receipt.unpack((out / "receipts/spring/run=1.json").read_bytes())
    assert (account.found, account.processed, account.rejected) == (43, 40, 3)
    rejected = pq.read_table(out / "Rejected").to_pylist()
    reasons = {Path(row["path"]).stem: row["reason"] for row in rejected}
    assert reasons == _REASONS
