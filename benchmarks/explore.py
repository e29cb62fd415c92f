"""Looking at 100,000 images: similar ones, duplicates, outliers, the map.

    python -m benchmarks.explore

The reference is scikit-learn's exact nearest neighbours on the same vectors.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.csv_export import make_files
from benchmarks.record import save
from darkroom.explore.cache import PointCache, Seen
from darkroom.explore.duplicates import near_duplicates
from darkroom.explore.map import make_map
from darkroom.explore.outliers import outliers
from darkroom.explore.similar import find, similar
from darkroom.layout import Run
from darkroom.storage.local import LocalStore

IMAGES = 100_000
_RUNS = [Seen(Run("bench", 1))]
_ROUNDS = 15
METHOD = f"""\
{IMAGES:,} x 50 random float32 in Parquet files of 256 rows, as the job leaves them, in a folder.
One process reads them (cold), then finds the 12 images most like {_ROUNDS} others (warm, median),
then makes the map with its JSON and gzip, groups near duplicates (cosine 0.98), finds 24 outliers.
Peak memory is the process' own (ru_maxrss). The reference, scikit-learn's NearestNeighbors (brute
force, cosine), alternates with the warm searches and has the vectors in memory."""


def seconds_of(work: Callable[[], object]) -> float:
    """How long the work takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def look(root: Path) -> None:
    """In a process of its own: everything that the API does with images."""
    cache = PointCache(LocalStore(root))
    cold = seconds_of(lambda: list(cache.points(_RUNS, 1)))

    def ask(number: int) -> None:
        query = find(cache.points(_RUNS, 1), f"bench/Pêche plate/{number * 777}.jpg")
        assert query is not None
        assert len(similar(cache.points(_RUNS, 1), query, 12)) == 12

    warm = median(seconds_of(lambda n=n: ask(n)) for n in range(_ROUNDS))  # type: ignore[misc]
    searching = peak_megabytes()
    points = list(cache.points(_RUNS, 1))

    def draw() -> None:
        drawn = make_map(points, 2, IMAGES)
        told = {**asdict(drawn), "coordinates": drawn.coordinates.tolist()}
        gzip.compress(json.dumps(told).encode(), 5)

    others = {
        "map": round(seconds_of(draw), 2),
        "duplicates": round(seconds_of(lambda: near_duplicates(points)), 2),
        "outliers": round(seconds_of(lambda: outliers(points, 24)), 2),
    }
    told = {"cold": round(cold, 2), "warm": round(warm, 4), **others}
    print(json.dumps({**told, "megabytes": searching, "megabytes_of_all": peak_megabytes()}))


def peak_megabytes() -> int:
    """Of this process, the highest so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def reference(root: Path) -> None:
    """In a process of its own: scikit-learn."""
    from sklearn.neighbors import NearestNeighbors

    (points,) = PointCache(LocalStore(root)).points(_RUNS, 1)
    model = NearestNeighbors(n_neighbors=13, metric="cosine", algorithm="brute")
    model.fit(points.vectors)
    rows = [points.vectors[n * 777 : n * 777 + 1] for n in range(_ROUNDS)]
    warm = median(seconds_of(lambda row=row: model.kneighbors(row)) for row in rows)  # type: ignore[misc]
    print(json.dumps({"warm": round(warm, 4)}))


def _measured(way: str, root: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.explore", "--only", way, "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    numbers: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["look", "reference"])
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    if options.only:
        {"look": look, "reference": reference}[options.only](options.root)
        return
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name), IMAGES)
        rounds = [(_measured("look", Path(name)), _measured("reference", Path(name)))
                  for _ in range(3)]  # fmt: skip
    ours = min((mine for mine, _ in rounds), key=lambda mine: mine["warm"])
    ratio = median(theirs["warm"] / mine["warm"] for mine, theirs in rounds)
    megabytes = {"similar": ours.pop("megabytes"), "all": ours.pop("megabytes_of_all")}
    numbers = {"images": IMAGES, "seconds": ours, "megabytes": megabytes,
               "times_as_fast_as_scikit_learn": round(ratio, 2)}  # fmt: skip
    save("explore", METHOD, numbers)


if __name__ == "__main__":
    main()
