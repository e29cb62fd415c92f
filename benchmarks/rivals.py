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

from benchmarks.photographs import as_cameras_write
from benchmarks.pictures import photographs_in, repeated
from benchmarks.record import middle, save
from cli.on_this_machine.home import ensure_model

METHOD = (
    "wall time of the whole process, start and imports included, 2 cores, same files, ONNX model "
    "and batch size. Rivals at their newest, as their documentation shows: with their own decoding "
    "and resizing, and with Pillow's in a user function; features to Parquet in two workers, read "
    "them back, 50 components from the same statistics, coordinates to Parquet. darkroom run: the "
    "same, and manifest, hashes, thumbnails, CSV and receipt; in threads, as it does by default, "
    "and on Spark (--engine spark). Rounds alternate, medians; ratios are against the faster of a "
    "rival's two ways"
)
LARGE = (
    " Photographs of 12 megapixels, a third turned by EXIF, a third with a profile of Display P3."
)
RIVALS, DECODERS = ("daft", "ray"), ("own", "pillow")
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
    """`python -m benchmarks.rivals [--photos FOLDER] [--images N] [--rounds N] [--large]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="photographs of 12 megapixels")
    options = parser.parse_args()
    pictures = photographs_in(options.photos)
    folder = Path(f".bench/{'large' if options.large else 'images'}-{options.images}").absolute()
    if options.large:
        pictures = as_cameras_write(pictures)
    repeated(pictures, options.images, folder)
    numbers = compared(folder, options.images, options.rounds)
    if options.large:
        save("photographs", METHOD + LARGE, numbers)
    else:
        save("rivals" if options.images == 6000 else f"rivals-{options.images}", METHOD, numbers)


def compared(folder: Path, images: int, rounds: int) -> dict[str, object]:
    """Seconds of each way, and how many times as fast Darkroom is."""
    commands = _commands(folder, Path(".bench/out-rivals").absolute())
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, (command, out) in commands.items():
            times[name].append(seconds(command, out, images))
    took = {name: middle(values) for name, values in times.items()}
    fastest = {rival: min(took[f"{rival}_{decoder}"] for decoder in DECODERS) for rival in RIVALS}
    return {
        "images": images,
        "rounds": rounds,
        "seconds": took,
        **{
            f"times_as_fast_as_{rival}": round(fastest[rival] / took["darkroom"], 3)
            for rival in RIVALS
        },
        "times_as_fast_on_spark": {
            rival: round(fastest[rival] / took["darkroom_on_spark"], 3) for rival in RIVALS
        },
        "times_as_fast": {name: round(value / took["darkroom"], 3) for name, value in took.items()},
    }


def _commands(folder: Path, out: Path) -> dict[str, tuple[list[str], Path]]:
    model = str(ensure_model().path)
    ours = [sys.executable, "-m", "cli.start", "run", str(folder), "--out", str(out),
            "--model", model]  # fmt: skip
    commands = {"darkroom": (ours, out), "darkroom_on_spark": ([*ours, "--engine", "spark"], out)}
    for rival in RIVALS:
        for decoder in DECODERS:
            words = [f"benchmarks.rival_{rival}", str(folder), str(out), model, decoder]
            commands[f"{rival}_{decoder}"] = ([str(RIVAL_PYTHON), "-m", *words], out)
    return commands


if __name__ == "__main__":
    main()
