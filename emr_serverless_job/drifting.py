"""How far each run is from all that was there before it: an answer beside its account."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from darkroom.coordinates import statistics
from darkroom.coordinates.drift import (
    LEAST_IMAGES,
    MOST_ROWS,
    Gaussian,
    drift,
)
from darkroom.coordinates.pointer import runs_with_share
from darkroom.coordinates.vectors import vectors_of
from darkroom.layout import Run, run_in, run_of
from darkroom.run.receipt import DriftNote, Receipt
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import from_parquet
from darkroom.storage.store import Store
from emr_serverless_job.coordinates import statistics_before
from emr_serverless_job.engine import Engine, Shared, list_in, rows_of

_SAMPLED_FILES = 4  # of a run that has more
_RUN = pa.struct({"number": pa.int32(), "run": pa.string(), "images": pa.int64()})
_RUNS = pa.schema({"runs": pa.list_(_RUN)})
_log = logging.getLogger("darkroom.drift")


def drifts(engine: Engine, output: str, accounts: Mapping[Run, Receipt]) -> dict[Run, DriftNote]:
    """The drift of runs whose shares are stored. It fails no run: what cannot be told says why."""
    try:
        return _drifts(engine, output, accounts)
    except Exception as error:  # whatever storage or Spark can bring about
        _log.warning("no drift was told: %r", error)
        return dict.fromkeys(accounts, DriftNote(f"could not be told: {type(error).__name__}"))


def _drifts(engine: Engine, output: str, accounts: Mapping[Run, Receipt]) -> dict[Run, DriftNote]:
    store = open_store(output)
    written = {run_of(key): told.written_at for key, told in store.stored("statistics").items()}
    earlier = [run for run in runs_with_share(store) if run not in accounts]
    before = statistics_before(engine, output, earlier)
    count = before.n if before is not None else 0
    told = {run: _too_few(account.processed, count) for run, account in accounts.items()}
    open_ones = [run for run, verdict in told.items() if verdict is None]
    if before is not None and open_ones:
        previous = max(earlier, key=lambda run: (written[run], run))
        task = _DriftTask(output, engine.share(statistics.pack(before)), previous, LEAST_IMAGES)
        work = _dealt([(run, accounts[run].processed) for run in open_ones], engine.cores)
        for row in engine.run(task, work, "number int, drift string"):
            told[open_ones[row["number"]]] = DriftNote(**json.loads(row["drift"]))
    return {run: verdict for run, verdict in told.items() if verdict is not None}


def _too_few(images: int, before: int) -> DriftNote | None:
    """No verdict, where there are too few images for one."""
    if min(images, before) >= LEAST_IMAGES:
        return None
    if not before:
        return DriftNote("nothing was there before")
    return DriftNote(
        f"too few images to tell: {images}, and {before} before; {LEAST_IMAGES} of each are needed",
        images=before,
    )


def _dealt(runs: Sequence[tuple[Run, int]], tasks: int) -> pa.Table:
    """To few tasks: each has to take the corpus' covariance apart."""
    rows = [
        {"number": number, "run": run.in_ascii, "images": images}
        for number, (run, images) in enumerate(runs)
    ]
    hands = [{"runs": rows[start::tasks]} for start in range(min(tasks, len(rows)))]
    return pa.Table.from_pylist(hands, _RUNS)


@dataclass(frozen=True)
class _DriftTask:
    """Runs in; how far each is from the statistics `before`, and from the previous run, out."""

    output: str
    before: Shared
    previous: Run
    least_images: int

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(self.output)
        corpus = statistics.unpack(self.before.value)
        before, last = Gaussian.of(corpus), statistics.unpack(store.read(self.previous.statistics))
        previous = Gaussian.of(last) if last.n >= self.least_images else None
        for row in rows_of(batches):
            for one in list_in(row["runs"]):
                run = run_in(one["run"])
                features, labels = _sample(store, run)
                batch = _gaussian_of(store, run, one["images"], features)
                told = drift(batch, before, previous, features, labels)
                note = DriftNote(told.words, told.unlike, images=corpus.n, **asdict(told))
                made = {"number": one["number"], "drift": json.dumps(asdict(note))}
                yield pa.RecordBatch.from_pylist([made], _TOLD)


_TOLD = pa.schema({"number": pa.int32(), "drift": pa.string()})


def _gaussian_of(store: Store, run: Run, images: int, sample: NDArray[np.float32]) -> Gaussian:
    """By the features, where the sample has all of them: they are fewer than a covariance."""
    if images == len(sample):
        return Gaussian.of_features(sample)
    return Gaussian.of(statistics.unpack(store.read(run.statistics)))


def _sample(store: Store, run: Run) -> tuple[NDArray[np.float32], list[str]]:
    """Features and labels of at most `MOST_ROWS` images of a run, spread over it."""
    files = store.list(run.results, ".parquet")
    some = files[:: -(-len(files) // _SAMPLED_FILES)]
    tables = [from_parquet(store.read(file), ["label", "features"]) for file in some]
    rows = pa.concat_tables(tables)
    chosen = rows.take(np.arange(0, rows.num_rows, -(-rows.num_rows // MOST_ROWS)))
    return vectors_of(chosen["features"]), chosen["label"].to_pylist()
