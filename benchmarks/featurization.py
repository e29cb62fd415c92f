"""The job's first stage against processes that do nothing but read, decode and embed."""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.pictures import photographs_in, repeated
from benchmarks.record import middle, save
from cli.on_this_machine.home import ensure_model, home
from darkroom.images.backbone import load_backbone
from darkroom.images.features import EMBED_BATCH
from darkroom.images.outcome import Limits, Pixels
from darkroom.images.reading import read_image
from darkroom.layout import Run
from darkroom.manifest import Entry
from darkroom.run.folder import walk_folder
from darkroom.storage.local import LocalStore
from emr_serverless_job.on_spark import OnSpark
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job
from local_cloud.spark.session import session

CORES = 2
METHOD = (
    "images/s of the job's features stage (Spark session up, its Python workers not) against "
    f"{CORES} bare processes with the same model and decoder, from their start to the end of the "
    "last, imports included; rounds alternate, medians; the second ratio leaves the bare "
    "processes' imports out"
)


def bare(paths: list[Path], onnx: bytes, done: Callable[[object], None]) -> None:
    """Read, decode, embed; no engine, nothing stored."""
    backbone, limits = load_backbone(onnx), Limits()
    started = perf_counter()
    for start in range(0, len(paths), EMBED_BATCH):
        images = [
            read_image(path.read_bytes(), backbone.size, limits)
            for path in paths[start : start + EMBED_BATCH]
        ]
        backbone.embed(np.stack([image.array for image in images if isinstance(image, Pixels)]))
    done((started, perf_counter()))


def bare_rates(paths: list[Path], onnx: bytes) -> tuple[float, float]:
    """Images/s of `CORES` bare processes: with their start, and without."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    started = perf_counter()
    processes = [
        context.Process(target=bare, args=(paths[core::CORES], onnx, queue.put))
        for core in range(CORES)
    ]
    for process in processes:
        process.start()
    spans = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    whole = perf_counter() - started
    working = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return len(paths) / whole, len(paths) / working


def job_rate(entries: list[Entry], onnx: bytes, out: Path) -> float:
    """Images/s of the job's features stage in a session of its own."""
    shutil.rmtree(out, ignore_errors=True)
    request = Request(Run("bench", 1), entries, LocalStore(out).uri, onnx)
    with session(CORES, home(), out / "spark.log") as spark:
        receipt = run_job(OnSpark(spark), request)
    return receipt.processed / receipt.seconds["features"]


def measure(photos: Path | None, count: int, rounds: int) -> None:
    """Run and record."""
    folder = Path(f".bench/images-{count}")
    paths = repeated(photographs_in(photos), count, folder)
    onnx = ensure_model().path.read_bytes()
    ours, with_start, without_start = [], [], []
    for _ in range(rounds):
        ours.append(job_rate(walk_folder(folder), onnx, Path(".bench/out")))
        whole, working = bare_rates(paths, onnx)
        with_start.append(whole)
        without_start.append(working)
    numbers = {
        "images": count,
        "rounds": rounds,
        "job_images_per_second": middle(ours),
        "bare_images_per_second": middle(with_start),
        "ratio": round(middle(ours) / middle(with_start), 3),
        "ratio_without_bare_imports": round(middle(ours) / middle(without_start), 3),
    }
    save("featurization", METHOD, numbers)


def main() -> None:
    """`python -m benchmarks.featurization [--photos FOLDER] [--images N] [--rounds N]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    measure(options.photos, options.images, options.rounds)


if __name__ == "__main__":
    main()
