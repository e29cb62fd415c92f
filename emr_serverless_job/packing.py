"""After a run: the points of many runs in few files, for looks at the whole corpus."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import pyarrow as pa

from darkroom.coordinates.pointer import current_number, runs_with_share
from darkroom.explore.images import read_points
from darkroom.explore.packs import (
    contents_without_points,
    from_pack,
    others_in_pack,
    packs,
    to_pack,
)
from darkroom.layout import Run, run_in
from darkroom.storage.bundles import Bundle
from darkroom.storage.opening import open_store
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store
from emr_serverless_job.engine import Engine, rows_of, texts_in

LEAST_RUNS = 32  # that wait, before they are packed
_MOST_BYTES = 64 * 1024 * 1024  # of a pack
_TASK = pa.schema(
    {"name": pa.string(), "packs": pa.list_(pa.string()), "runs": pa.list_(pa.string())}
)
_log = logging.getLogger("darkroom.packing")


@dataclass
class _Coming:
    """What goes into one new pack: older packs, and runs that are in none."""

    size_bytes: int = 0
    packs: list[Bundle] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    name: str = field(default_factory=lambda: uuid4().hex)

    @property
    def all_runs(self) -> tuple[Run, ...]:
        """In the order in which they are packed."""
        return (*(run for pack in self.packs for run in pack.runs), *self.runs)


def pack_points(engine: Engine, output: str) -> None:
    """Pack what waits, where it is worth it. A corpus without packs is as true, only slower to look
    at: what keeps this from its end is told in the log, and fails no run."""
    store = open_store(output)
    try:
        version = current_number(store)
        if version:
            _pack(engine, store, output, version)
    except Exception as error:  # whatever storage or Spark can bring about
        _log.warning("points were not packed: %r", error)


def _pack(engine: Engine, store: Store, output: str, version: int) -> None:
    corpus, known = set(runs_with_share(store)), packs(version).index(store)
    stays = [pack for pack in known.bundles if corpus.issuperset(pack.runs)]  # the others expired
    packed = {run for pack in stays for run in pack.runs}
    waiting = sorted(corpus - packed)
    if len(stays) == len(known.bundles) and len(waiting) < LEAST_RUNS:
        return
    bundles = _bundles(stays, _sized(store, version, waiting))
    images = _write(engine, output, version, bundles)
    absorbed = {pack.name for bundle in bundles for pack in bundle.packs}
    made = [
        Bundle(b.name, b.all_runs, n, b.size_bytes) for b, n in zip(bundles, images, strict=True)
    ]
    stays = [pack for pack in stays if pack.name not in absorbed]
    packs(version).replace(store, known, [*stays, *made])


def _sized(store: Store, version: int, runs: Sequence[Run]) -> list[tuple[Run, int]]:
    """The runs that have all of their coordinates, with the bytes of these."""

    def told(run: Run) -> int:
        placed, featured = store.sizes(run.results_pca(version)), store.list(run.results)
        names = [{key.rpartition("/")[2] for key in keys} for keys in (placed, featured)]
        return sum(placed.values()) if names[0] == names[1] else 0

    sizes = read_ahead(told, runs, store.read_ahead)
    return [(run, size) for run, size in zip(runs, sizes, strict=True) if size]


def _bundles(stays: Sequence[Bundle], waiting: Sequence[tuple[Run, int]]) -> list[_Coming]:
    """New packs of runs; the first takes in the newest packs that are no larger than itself, so
    that each row is packed anew a few times, and there are few packs."""
    bundles: list[_Coming] = []
    for run, size in waiting:
        if not bundles or bundles[-1].size_bytes + size > _MOST_BYTES:
            bundles.append(_Coming())
        bundles[-1].runs.append(run)
        bundles[-1].size_bytes += size
    for pack in reversed(stays if bundles else ()):
        first = bundles[0]
        together = first.size_bytes + pack.size_bytes
        if pack.size_bytes > first.size_bytes or together > _MOST_BYTES:
            break
        first.packs.insert(0, pack)
        first.size_bytes = together
    return bundles


def _write(engine: Engine, output: str, version: int, bundles: Sequence[_Coming]) -> list[int]:
    """How many images are in each."""
    work = pa.Table.from_pylist(
        [
            {
                "name": bundle.name,
                "packs": [pack.name for pack in bundle.packs],
                "runs": [run.in_ascii for run in bundle.runs],
            }
            for bundle in bundles
        ],
        _TASK,
    )
    if not bundles:
        return []
    return [int(row["rows"]) for row in engine.run(_PackTask(output, version), work, "rows long")]


@dataclass(frozen=True)
class _PackTask:
    """Names of packs to read, and runs, in; a pack stored, its number of rows out."""

    output: str
    version: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store, shelf = open_store(self.output), packs(self.version)
        for row in rows_of(batches):
            read = [store.read(shelf.key(name)) for name in texts_in(row["packs"])]
            older = [points for pack in read for points in from_pack(pack)]
            runs = list(map(run_in, texts_in(row["runs"])))
            newer = read_ahead(
                lambda run: read_points(store, run, self.version), runs, store.read_ahead
            )
            several = [*older, *newer]
            told = read_ahead(partial(contents_without_points, store), runs, store.read_ahead)
            others = dict(zip(runs, told, strict=True))
            for pack in read:
                others |= others_in_pack(pack)
            store.write(shelf.key(str(row["name"])), to_pack(several, others))
            yield pa.RecordBatch.from_arrays([pa.array([sum(map(len, several))])], names=["rows"])
