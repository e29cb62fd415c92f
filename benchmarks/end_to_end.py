"""The case Darkroom grew from, the whole way: 22,688 photos of 100x100, into the local cloud.

    python -m benchmarks.end_to_end [--images N]

One run, a balanced receipt, and as many rows in Results, Results_PCA and CSV as images. The
features stage's rate, against the job alone on the same images in a folder, is the ratio.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.record import save
from cli.deploying.locally import deploy_locally
from cli.on_stack.get import get_batch
from cli.on_stack.put import put_folder
from cli.on_stack.stack import Stack
from cli.on_stack.status import wait_until_finished
from cli.on_this_machine.home import ensure_model, home
from darkroom.errors import DarkroomError
from darkroom.layout import Run
from darkroom.run import receipt
from functions.runs.records import RunRecord, State
from local_cloud import control

LABELS = 131
BATCH = "Test"
METHOD = """\
22,688 JPEGs of 100x100 in 131 folders, made for the test (smooth colours), sent by `darkroom put`
with a marker, to a stack on the local cloud with the default backbone. `seconds` are those of the
parts: upload; until the run was closed; until the job was submitted; Spark's start; the job's own
stages, from the receipt; cataloguing and CSV; all. The ratio is the features stage's rate against
the same stage of `darkroom run` on the same images in a folder, in the same hour."""


@dataclass
class Watch:
    """Moments of a run's states, in seconds since the start."""

    began: float = field(default_factory=time)
    moments: dict[str, float] = field(default_factory=dict)

    def note(self, record: RunRecord) -> None:
        """The first time that a state was seen."""
        self.moments[record.state] = time() - self.began
        print(f"{self.moments[record.state]:7.1f} s  {record.state}", flush=True)


def make_pictures(folder: Path, count: int) -> None:
    """`<label>/<n>.jpg`, each of its own content."""
    random = np.random.default_rng(0)
    for number in range(count):
        target = folder / f"fruit {number % LABELS}" / f"{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8))
        coarse.resize((100, 100), Image.Resampling.BICUBIC).save(target, quality=90)


def through_the_cloud(folder: Path, scratch: Path) -> dict[str, object]:
    """The whole way; the numbers. Raises `DarkroomError` where a number does not fit."""
    model = ensure_model().path
    cloud = control.start(scratch / "cloud", home(), None, os.cpu_count() or 1)
    try:
        control.use(cloud)
        stack = deploy_locally("darkroom-bench", cloud, model, quiet_seconds=10)
        watch = Watch()
        put_folder(stack, folder, BATCH, ready=True)
        uploaded = time() - watch.began
        record = wait_until_finished(stack, BATCH, on_change=watch.note)
        return _numbers(stack, record, watch, uploaded, scratch)
    finally:
        control.stop(scratch / "cloud")


def _numbers(
    stack: Stack, record: RunRecord, watch: Watch, uploaded: float, scratch: Path
) -> dict[str, object]:
    if record.state != State.DONE:
        raise DarkroomError(f"the run failed: {record.reason}")
    account = receipt.unpack(stack.results.read(record.key.receipt))
    account.require_balance()
    out = scratch / "out"
    get_batch(stack, BATCH, out)
    rows = _rows(out, record.key, account.pca.version if account.pca else 0)
    if set(rows.values()) != {record.images} or len(list(stack.runs.of_batch(BATCH))) != 1:
        raise DarkroomError(f"{record.images} images, but {rows}")
    stages = account.seconds
    finished = watch.moments["DONE"]
    job = record.submitted_at - watch.began
    processed = watch.moments.get("SUCCEEDED", finished)
    return {
        "images": record.images,
        "runs": 1,
        "receipt": account.equation,
        "rows": rows,
        "seconds": {
            "upload": round(uploaded, 1),
            "closing_after_upload": round(record.sealed_at - watch.began - uploaded, 1),
            "manifest_and_submission": round(record.submitted_at - record.sealed_at, 1),
            "job": round(processed - job, 1),
            "job_stages": stages,
            "catalog_and_csv": round(finished - processed, 1),
            "all": round(finished, 1),
        },
        "features_images_per_second": round(account.found / stages["features"], 1),
    }


def _rows(out: Path, run: Run, version: int) -> dict[str, int]:
    csv = (out / run.csv).read_bytes().count(b"\r\n") - 1
    features = sum(pq.read_metadata(f).num_rows for f in (out / run.results).glob("*.parquet"))
    placed = (out / run.results_pca(version)).glob("*.parquet")
    return {
        "Results": features,
        "Results_PCA": sum(pq.read_metadata(f).num_rows for f in placed),
        "Results_CSV": csv,
    }


def alone(folder: Path, scratch: Path) -> float:
    """Images per second of the features stage of `darkroom run` on the same images."""
    out = scratch / "alone"
    command = [sys.executable, "-m", "cli.main", "run", str(folder), "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    account = receipt.unpack((out / Run(folder.name, 1).receipt).read_bytes())
    return account.found / account.seconds["features"]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=22_688)
    count = parser.parse_args().images
    scratch = Path(tempfile.mkdtemp(prefix="darkroom-e2e-"))
    try:
        folder, began = scratch / "Test", monotonic()
        make_pictures(folder, count)
        print(f"{count} pictures made in {monotonic() - began:.0f} s", flush=True)
        numbers = through_the_cloud(folder, scratch)
        rate = alone(folder, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    cloud_rate = numbers["features_images_per_second"]
    ratio = round(float(str(cloud_rate)) / rate, 3)
    extra = {"alone_images_per_second": round(rate, 1), "ratio": ratio}
    save("end_to_end", METHOD, {**numbers, **extra})


if __name__ == "__main__":
    main()
