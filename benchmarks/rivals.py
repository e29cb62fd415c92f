"""`darkroom run` against Daft and Ray Data: whole process against whole process."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pyarrow.parquet as pq

from benchmarks.pictures import photographs_in, repeated
from benchmarks.record import middle, save
from cli.on_this_machine.home import ensure_model

METHOD = (
    "wall time of the whole process, start and imports included, 2 cores, same files, ONNX model, "
    "decoder and batch size. Rivals: list the files, features to Parquet in two workers, read them "
    "back, 50 components from the same statistics, coordinates to Parquet. darkroom run: the same, "
    "and manifest, hashes, thumbnails, CSV and receipt; in threads, as it does by default, and on "
    "Spark (--engine spark). Rounds alternate, medians"
)
RIVAL_PYTHON = Path(".bench/rivals/bin/python")


def seconds(command: list[str], out: Path, count: int) -> float:
    """Wall time of a command that leaves `count` features under `out`."""
    shutil.rmtree(out, ignore_errors=True)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    started = perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    took = perf_counter() - started
    for folder in ("Results", "Results_PCA"):
        rows = sum(pq.read_metadata(path).num_rows for path in (out / folder).rglob("*.parquet"))
        if rows != count:
            raise SystemExit(f"{command} left {rows} rows in {folder}, not {count}")
    return took


def main() -> None:
    """`python -m benchmarks.rivals [--photos FOLDER] [--images N] [--rounds N]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(f".bench/images-{options.images}").absolute()
    repeated(photographs_in(options.photos), options.images, folder)
    model, out = str(ensure_model().path), Path(".bench/out-rivals").absolute()
    ours = [sys.executable, "-m", "cli.main", "run", str(folder)]
    rival = [str(RIVAL_PYTHON), "-m"]
    commands = {
        "darkroom": [*ours, "--out", str(out), "--model", model],
        "darkroom_on_spark": [*ours, "--out", str(out), "--model", model, "--engine", "spark"],
        "daft": [*rival, "benchmarks.rival_daft", str(folder), str(out), model],
        "ray": [*rival, "benchmarks.rival_ray", str(folder), str(out), model],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            times[name].append(seconds(command, out, options.images))
    took = {name: middle(values) for name, values in times.items()}
    numbers = {
        "images": options.images,
        "rounds": options.rounds,
        "seconds": took,
        "times_as_fast_as_daft": round(took["daft"] / took["darkroom"], 3),
        "times_as_fast_as_ray": round(took["ray"] / took["darkroom"], 3),
        "times_as_fast_on_spark": {
            name: round(took[name] / took["darkroom_on_spark"], 3) for name in ("daft", "ray")
        },
    }
    save("rivals", METHOD, numbers)


if __name__ == "__main__":
    main()
