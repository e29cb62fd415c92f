"""Peak memory of the Python workers and of the driver, for a small run and one ten times it."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.pictures import photographs_in, repeated
from benchmarks.record import save
from cli.on_this_machine.home import ensure_model, home
from darkroom.layout import Run
from darkroom.run.folder import walk_folder
from darkroom.storage.local import LocalStore
from emr_serverless_job.on_spark import OnSpark
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job
from local_cloud.spark.session import session

SIZES = (2_000, 20_000)
METHOD = (
    "VmHWM of each Python worker, of each process that decodes for one, of the driver's Python and "
    "of the JVM, read every 0.2 s from "
    "/proc while the whole job runs on 2 cores; MB; the images of the larger run are the smaller "
    "one's, repeated, so the workers' peaks compare"
)


def peak_megabytes(process: Path) -> int:
    """The process' highest resident memory so far; 0 when it is gone."""
    try:
        status = (process / "status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) // 1024 if lines else 0


@contextmanager
def watched() -> Iterator[dict[str, int]]:
    """The highest peaks by kind of process, filled in while the block runs."""
    peaks = {"worker": 0, "decoder": 0, "jvm": 0, "driver": 0}
    finished = threading.Event()

    def look() -> None:
        while not finished.wait(0.2):
            for process in _family():
                kind = _kind(process)
                if kind:
                    peaks[kind] = max(peaks[kind], peak_megabytes(process))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    yield peaks
    finished.set()
    watcher.join()


def _family() -> Iterator[Path]:
    """This process and all that descend from it."""
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[process.name] = (process / "stat").read_text().rsplit(")", 1)[1].split()[1]
    for name in parents:
        ancestor: str | None = name
        while ancestor and ancestor != str(os.getpid()):
            ancestor = parents.get(ancestor)
        if ancestor:
            yield Path("/proc") / name


def _kind(process: Path) -> str | None:
    if int(process.name) == os.getpid():
        return "driver"
    try:
        command = (process / "cmdline").read_bytes()
    except OSError:
        return None
    python = b"java" not in command.split(b"\0")[0]
    if b"darkroom.images.decoder_process" in command:
        return "decoder"
    if python and re.search(rb"worker_daemon|pyspark.daemon", command):
        return "worker"
    if python and b"/main.py\0" in command:
        return "driver"  # of a job that `spark-submit` started
    return "jvm" if b"org.apache.spark" in command else None


def measure_one(folder: Path, onnx: bytes) -> dict[str, int]:
    """The peaks of one whole run. In a process of its own, since peaks never fall."""
    out = Path(".bench/out-memory")
    shutil.rmtree(out, ignore_errors=True)
    request = Request(Run("bench", 1), walk_folder(folder), LocalStore(out).uri, onnx)
    with watched() as peaks, session(2, home(), out / "spark.log") as spark:
        run_job(OnSpark(spark), request)
    return peaks


def main() -> None:
    """`python -m benchmarks.memory [--photos FOLDER]`."""
    import multiprocessing

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    pictures = photographs_in(parser.parse_args().photos)
    onnx = ensure_model().path.read_bytes()
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for size in SIZES:
        folder = Path(f".bench/images-{size}")
        repeated(pictures, size, folder)
        with context.Pool(1) as pool:
            peaks[size] = pool.apply(measure_one, (folder, onnx))
    small, large = (peaks[size] for size in SIZES)
    growth = {f"{kind}_growth": round(large[kind] / small[kind], 3) for kind in small}
    save("memory", METHOD, {"megabytes": peaks, **growth})


if __name__ == "__main__":
    main()
