"""Erasing one of 20,000 images in 20 files, on the local cloud: `python -m benchmarks.erasure`."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from time import monotonic, time

import numpy as np
import pyarrow as pa

from benchmarks.memory import watched
from benchmarks.record import save
from cli.deploying.locally import deploy_locally
from cli.on_stack.erase import new_request, submit
from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from cli.on_stack.status import wait_until_finished
from cli.on_this_machine.home import ensure_model, home
from darkroom import manifest
from darkroom.coordinates import pca, statistics, versions
from darkroom.coordinates.corpus import project_file, statistics_of_files
from darkroom.coordinates.statistics import Statistics
from darkroom.coordinates.vectors import vector_column
from darkroom.erasure.request import Selector
from darkroom.errors import DarkroomError
from darkroom.images.backbone import backbone_id
from darkroom.layout import ERASURES, Run, part_file
from darkroom.manifest import Entry
from darkroom.run import receipt
from darkroom.run.csv_export import export_csv
from darkroom.run.receipt import Duplicates, PcaNote, Receipt
from darkroom.storage.parquet import (
    COMPONENTS,
    FEATURES_SCHEMA,
    from_parquet,
    to_parquet,
    without_paths,
)
from functions.runs.records import RunRecord, State
from local_cloud import control

FILES, ROWS, DIMENSIONS = 20, 1000, 1280
RUN = Run("Test", 1)
METHOD = """\
A finished run of 20,000 made-up rows of 1280 features in 20 Parquet files, with manifest,
statistics, PCA version, coordinates, CSV, receipt and record, on the local cloud. One image is
erased by its key: `seconds` from the request to the certificate, Spark's start included, with the
new PCA version, all coordinates and the CSV made anew, since the old version has seen the image.
`changed` counts the features files whose bytes changed. The reference, in the same run: reading
all features files, filtering and writing each of them, by one process, without any of the rest.
Memory is VmHWM of the job's processes, in MB."""


@dataclass(frozen=True)
class Corpus:
    """Writes the run as the pipeline would have left it."""

    stack: Stack
    backbone: str

    def write(self) -> None:
        """Everything of the run, its record last."""
        results = self.stack.results
        for number in range(FILES):
            results.write(f"{RUN.results}/{part_file(number)}", to_parquet(self._rows(number)))
        keys = results.list(RUN.results)
        share: Statistics = reduce(
            add, (s for s in (statistics_of_files(results, [key]) for key in keys) if s)
        )
        results.write(RUN.statistics, statistics.pack(share))
        coming = versions.next_version(results)
        basis = pca.fit(share)
        version = versions.Version(coming.number, basis, coming.etag)
        version = versions.claim(results, self.backbone, [RUN], share, version)
        for key in keys:
            target = f"{RUN.results_pca(version.number)}/{key.rpartition('/')[2]}"
            project_file(results, key, target, basis)
        versions.publish(results, self.backbone, version)
        export_csv(results, RUN, version.number, COMPONENTS)
        entries = [Entry(f"s3://{self.stack.uploads}", key_of(n), f"v{n}") for n in range(count())]
        results.write(f"{RUN.manifest}/part-00000.jsonl.gz", manifest.pack(entries))
        results.write(RUN.receipt, receipt.pack(self._receipt(version.number)))
        self._record()

    def _rows(self, number: int) -> pa.Table:
        numbers = range(number * ROWS, (number + 1) * ROWS)
        random = np.random.default_rng(number)
        columns = {
            "path": [key_of(n) for n in numbers],
            "label": [key_of(n).split("/")[1] for n in numbers],
            "features": vector_column(random.random((ROWS, DIMENSIONS), np.float32)),
            "content_sha256": [hashlib.sha256(key_of(n).encode()).hexdigest() for n in numbers],
            "width": pa.array([100] * ROWS, pa.int32()),
            "height": pa.array([100] * ROWS, pa.int32()),
            "format": ["JPEG"] * ROWS,
            "backbone": [self.backbone] * ROWS,
        }
        return pa.table([pa.array(columns[n]) for n in FEATURES_SCHEMA.names], FEATURES_SCHEMA)

    def _receipt(self, version: int) -> Receipt:
        return Receipt(RUN.batch, RUN.number, self.backbone, count(), count(), 0, 0, 0, {},
                       Duplicates(), PcaNote(version, True, 50, 0.5), {}, "", "")  # fmt: skip

    def _record(self) -> None:
        now = time()
        self.stack.runs.create(
            RunRecord(RUN.batch, RUN.number, State.DONE, 1, now, now, now, count(), images=count(),
                      processed=count(), rejected=0, missing=0, pca_version=1)
        )  # fmt: skip


def count() -> int:
    """How many images there are."""
    return FILES * ROWS


def key_of(number: int) -> str:
    """The object key of an image."""
    return f"Test/fruit {number % 131 % 10}/{number}.jpg"


def erased(stack: Stack) -> dict[str, object]:
    """Erase the image; the numbers."""
    results = stack.results
    before = {key: results.read_versioned(key).etag for key in results.list(RUN.results)}
    began = monotonic()
    with watched() as peaks:
        record = submit(stack, new_request(Selector("keys", (key_of(7003),)), "benchmark", False))
        done = wait_until_finished(
            stack, ERASURES, record.run, lambda r: print(f"  {r.state}", flush=True)
        )
    seconds = monotonic() - began
    if done.state != State.DONE or done.processed != 1:
        raise DarkroomError(f"the erasure failed: {done.reason}")
    changed = [key for key, etag in before.items() if results.read_versioned(key).etag != etag]
    return {"seconds": round(seconds, 1), "changed": len(changed), "files": len(before),
            "megabytes": peaks}  # fmt: skip


def timed(work: Callable[[], None]) -> float:
    """Seconds."""
    began = monotonic()
    work()
    return monotonic() - began


def rewrite_all(stack: Stack) -> None:
    """The reference: every features file read, filtered, written."""
    for key in stack.results.list(RUN.results):
        data = stack.results.read(key)
        left = without_paths(data, pa.array([key_of(7004)])) or to_parquet(from_parquet(data))
        stack.results.write(key, left)


def main() -> None:
    """Measure and record."""
    scratch = Path(tempfile.mkdtemp(prefix="darkroom-erasure-"))
    try:
        model = ensure_model().path
        cloud = control.start(scratch / "cloud", home(), None, os.cpu_count() or 1)
        control.use(cloud)
        stack = deploy_locally("darkroom-bench", cloud, model, quiet_seconds=600)
        Corpus(stack, backbone_id(model.read_bytes())).write()
        put_bytes(stack, key_of(7003), b"an image that nobody reads")
        numbers = erased(stack)
        reference = round(timed(lambda: rewrite_all(stack)), 1)
    finally:
        control.stop(scratch / "cloud")
        shutil.rmtree(scratch, ignore_errors=True)
    save("erasure", METHOD, {"images": count(), **numbers, "rewriting_all_seconds": reference})


if __name__ == "__main__":
    main()
