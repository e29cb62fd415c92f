"""A long history and a large corpus: what a look at all of it, and the next run, cost.

python -m benchmarks.scale [--largest IMAGES]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.explore import peak_megabytes, seconds_of
from benchmarks.record import save
from darkroom.coordinates import statistics
from darkroom.coordinates.statistics import Statistics
from darkroom.coordinates.total import statistics_of_runs, sum_of_shares
from darkroom.explore.cache import PointCache, Seen
from darkroom.explore.images import ROWS, Points, newest_only
from darkroom.explore.map import make_map
from darkroom.explore.packs import packs, to_pack
from darkroom.explore.similar import find, similar
from darkroom.layout import Run
from darkroom.storage.bundles import Bundle, Index
from darkroom.storage.local import LocalStore
from darkroom.storage.parquet import COMPONENTS

IMAGES_A_RUN = 100
SIZES = (100_000, 1_000_000, 10_000_000)
HISTORIES = (10, 100, 1000)
_PACK_RUNS = 2000
_DIMENSIONS = 1280
_ROUNDS = 9
_GET_PRICE = 0.00000043  # USD a request, of S3 in eu-west-1
_FUNCTION_MEGABYTES_A_SECOND = 75  # that a Lambda function reads from S3 at most
METHOD = f"""\
`looks`: runs of {IMAGES_A_RUN} images with random coordinates in packs of {_PACK_RUNS} runs, in a
folder. A process of its own reads index and packs (`first_seconds`; `requests` and `megabytes` are
what it read, `function_seconds` how long these bytes take a Lambda function, computed at
{_FUNCTION_MEGABYTES_A_SECOND} MB/s), then finds the 12 images most like each of {_ROUNDS}
(`similar_seconds`, median) and draws the map of 50,000 of all (`map_seconds`), as the API does,
but for the table and the JSON; `peak_megabytes` is the process' own (ru_maxrss).
`next_run`: so many finished runs of {IMAGES_A_RUN} images x {_DIMENSIONS} features with their
shares; the statistics of all are asked for as a job does: anew (`before`, as each job did until it
kept the sum), and when one run came since the last time (`after`); `price_a_thousand` in USD, for
the GETs of a thousand such jobs."""


class _Counting(LocalStore):
    """Counts what is read: requests and bytes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.told: Counter[str] = Counter()

    def read(self, key: str, version_id: str | None = None) -> bytes:
        data = super().read(key, version_id)
        self.told.update(requests=1, bytes=len(data))
        return data


def _points(first: int, runs: int) -> Iterator[Points]:
    rng = np.random.default_rng(first)
    vectors = rng.standard_normal((runs * IMAGES_A_RUN, COMPONENTS)).astype(np.float32)
    digests = rng.integers(0, 2**63, (runs * IMAGES_A_RUN, 4))
    for number in range(runs):
        run, start = Run(f"batch-{first + number:06}", 1), number * IMAGES_A_RUN
        rows = {
            "path": [f"{run.batch}/apple/{n:06}.jpg" for n in range(IMAGES_A_RUN)],
            "label": ["apple"] * IMAGES_A_RUN,
            "content_sha256": [
                "".join(f"{part:016x}" for part in digest)
                for digest in digests[start : start + IMAGES_A_RUN]
            ],
        }
        table = pa.table(rows, schema=ROWS)
        mine = vectors[start : start + IMAGES_A_RUN]
        yield Points(run, table, mine, ("part-00000",), (IMAGES_A_RUN,))


def make_packs(root: Path, images: int) -> None:
    """So many images in packs with their index."""
    store, made = LocalStore(root), []
    for first in range(0, images // IMAGES_A_RUN, _PACK_RUNS):
        runs = min(_PACK_RUNS, images // IMAGES_A_RUN - first)
        several = list(_points(first, runs))
        store.write(packs(1).key(str(first)), to_pack(several, {}))
        named = tuple(points.run for points in several)
        made.append(Bundle(str(first), named, runs * IMAGES_A_RUN, 1))
    packs(1).replace(store, Index((), None), made)


def look(root: Path) -> None:
    """In a process of its own: a look at the whole corpus, the first and those after it."""
    store = _Counting(root)
    cache = PointCache(store, most_bytes=1 << 40)

    def everything() -> list[Points]:
        index = cache.index(1)
        return newest_only(list(cache.points([Seen(run) for run in index.runs], 1, index)))

    first = seconds_of(everything)
    told = dict(store.told)
    runs = list(packs(1).index(store).runs)
    asked = [runs[len(runs) // _ROUNDS * n].batch for n in range(_ROUNDS)]

    def ask(batch: str) -> None:
        points = everything()
        query = find((p for p in points if p.run.batch == batch), f"{batch}/apple/000007.jpg")
        assert query is not None
        assert len(similar(points, query, 12)) == 12

    warm = median(seconds_of(lambda batch=batch: ask(batch)) for batch in asked)  # type: ignore[misc]
    drawing = median(seconds_of(lambda: make_map(everything(), 2)) for _ in range(3))
    print(json.dumps({
        "requests": told["requests"],
        "megabytes": told["bytes"] >> 20,
        "first_seconds": round(first, 2),
        "function_seconds": round(told["bytes"] / 1e6 / _FUNCTION_MEGABYTES_A_SECOND, 1),
        "similar_seconds": round(warm, 3),
        "map_seconds": round(drawing, 2),
        "peak_megabytes": peak_megabytes(),
    }))  # fmt: skip


def _looked(images: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        make_packs(Path(name), images)
        command = [sys.executable, "-m", "benchmarks.scale", "--look", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"images": images, "runs": images // IMAGES_A_RUN, **json.loads(done.stdout)}


def _history(root: Path, runs: int) -> dict[str, Any]:
    """What the next job reads of so many runs, with and without the sum."""
    plain, counting = LocalStore(root), _Counting(root)
    rng = np.random.default_rng(0)
    features = np.maximum(rng.standard_normal((IMAGES_A_RUN, _DIMENSIONS)), 0).astype(np.float32)
    share = statistics.pack_share(features)
    finished = [Run(f"batch-{number:06}", 1) for number in range(runs)]
    for run in finished:
        plain.write(run.statistics, share)

    def sums(keys: Sequence[Sequence[str]]) -> list[Statistics | None]:
        return [sum_of_shares(counting, some) for some in keys]

    def asked(corpus: list[Run]) -> dict[str, float]:
        counting.told.clear()
        seconds = seconds_of(lambda: statistics_of_runs(counting, corpus, sums, 8))
        requests = counting.told["requests"]
        return {"requests": requests, "megabytes": counting.told["bytes"] >> 20,
                "seconds": round(seconds, 2),
                "price_a_thousand": round(1000 * requests * _GET_PRICE, 6)}  # fmt: skip

    before = asked(finished[:-1])
    return {"runs": runs, "before": before, "after": asked(finished)}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--look", type=Path)
    options = parser.parse_args()
    if options.look:
        look(options.look)
        return
    histories = []
    for runs in HISTORIES:
        with tempfile.TemporaryDirectory() as name:
            histories.append(_history(Path(name), runs))
    looks = [_looked(images) for images in SIZES if images <= options.largest]
    save("scale", METHOD, {"looks": looks, "next_run": histories})


if __name__ == "__main__":
    main()
