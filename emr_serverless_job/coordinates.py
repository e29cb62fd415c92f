"""Stage 3: features to coordinates, in one system for the whole corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pyarrow as pa

from darkroom.coordinates import pca, statistics
from darkroom.coordinates.corpus import (
    features_of_file,
    project_file,
    runs_behind,
    statistics_of_files,
)
from darkroom.coordinates.pointer import remove_version
from darkroom.coordinates.statistics import Statistics, added
from darkroom.coordinates.total import statistics_of_runs, sum_of_shares
from darkroom.coordinates.versions import (
    Version,
    claim,
    is_complete,
    note_complete,
    publish,
)
from darkroom.images.backbone import backbone_id
from darkroom.layout import Run
from darkroom.run.receipt import PcaNote
from darkroom.storage.opening import open_store
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store
from emr_serverless_job.engine import Engine, Shared, rows_of, texts_in
from emr_serverless_job.keep_or_refit import decide
from emr_serverless_job.request import Request

_MOST_STATISTICS_TASKS = 16  # each sends 6.5 MB for 1280 dimensions to the driver


def place_runs(
    engine: Engine, requests: Sequence[Request], earlier: list[Run], may_refit: bool = True
) -> PcaNote | None:
    """Give the runs their coordinates; None where the corpus has no features at all.

    One decision for all of them: the basis stays while it captures nearly what the best one would
    (or where it has to, `may_refit`); else a new version is fitted and all earlier runs are
    projected anew from their stored features. The pointer to the current version moves last, so a
    reader never finds it half-written. Raises `ConflictError` where another job was quicker.
    """
    asked, own = requests[0], [request.run for request in requests]
    merged = _corpus_statistics(engine, asked.output, own, earlier)
    if merged is None:
        return None
    decision = decide(engine, asked, [*earlier, *own], merged, may_refit)
    if decision.refitted:
        fitted = decision.version
        decision = replace(
            decision, version=_publish(engine, asked, [*own, *earlier], merged, fitted)
        )
    else:
        project_runs(engine, asked.output, own, decision.version)
    _complete(engine, asked.output, decision.version)
    return PcaNote(
        decision.version.number,
        decision.refitted,
        decision.version.basis.rank,
        decision.variance_kept,
    )


def _publish(
    engine: Engine, asked: Request, runs: list[Run], merged: Statistics, fitted: Version
) -> Version:
    """The version that was fitted, with the runs in it, in force. What is not published leaves
    nothing behind."""
    store, backbone = open_store(asked.output), backbone_id(asked.model)
    version = claim(store, backbone, runs, merged, fitted)
    try:
        project_runs(engine, asked.output, runs, version)
    except BaseException:
        remove_version(store, version.number)
        raise
    publish(store, backbone, version)
    return version


def _complete(engine: Engine, output: str, version: Version) -> None:
    """Place the runs that ended while a version was made: by the job that made it, or where that
    was cut off, by the next."""
    store = open_store(output)
    if not is_complete(store, version.number):
        project_runs(engine, output, runs_behind(store, version.number), version)
        note_complete(store, version.number)


def _corpus_statistics(
    engine: Engine, output: str, own: list[Run], earlier: list[Run]
) -> Statistics | None:
    """Those of all runs, None where there are none; each new one's share is stored, and those of
    earlier ones are added to the sum, for those that come later."""
    store = open_store(output)
    listed = read_ahead(lambda run: store.list(run.results, ".parquet"), own, store.read_ahead)
    files = dict(zip(own, listed, strict=True))
    small = {run: keys[0] for run, keys in files.items() if len(keys) == 1}
    shares = [_of_small_runs(engine, output, small)]
    for run in own:
        if len(files[run]) > 1:
            share = run_statistics(engine, output, files[run])
            if share is not None:
                store.write(run.statistics, statistics.pack(share))
            shares.append(share)

    return added([statistics_before(engine, output, earlier), *shares])


def statistics_before(engine: Engine, output: str, runs: Sequence[Run]) -> Statistics | None:
    """The statistics of runs whose shares are stored, which are the corpus; None where there are
    none."""

    def sums(keys: Sequence[Sequence[str]]) -> Iterator[Statistics | None]:
        return map(_share_in, _shares_of(engine, output, sum_of_shares, keys))

    return statistics_of_runs(open_store(output), runs, sums, engine.cores * 4)


def _of_small_runs(engine: Engine, output: str, files: Mapping[Run, str]) -> Statistics | None:
    """The sum over runs of one file; tasks store each run's share, and hand on their sum, since a
    share has up to 6.5 MB for 1280 dimensions."""
    runs = list(files)
    tasks = min(engine.cores, _MOST_STATISTICS_TASKS, len(runs))
    if not tasks:
        return None
    work = pa.table(
        {
            "files": [[files[run] for run in runs[start::tasks]] for start in range(tasks)],
            "shares": [[run.statistics for run in runs[start::tasks]] for start in range(tasks)],
        }
    )
    return added(map(_share_in, engine.run(_SmallRunsTask(output), work, "share binary")))


def run_statistics(engine: Engine, output: str, files: list[str]) -> Statistics | None:
    """The merged statistics of features files; None where they have no rows."""
    if not files:
        return None
    tasks = min(engine.cores, _MOST_STATISTICS_TASKS, len(files))
    dealt = [files[start::tasks] for start in range(tasks)]
    return added(map(_share_in, _shares_of(engine, output, statistics_of_files, dealt)))


def _shares_of(
    engine: Engine,
    output: str,
    sum_of: Callable[[Store, list[str]], Statistics | None],
    keys: Sequence[Sequence[str]],
) -> list[Mapping[str, Any]]:
    """What tasks make of each list of keys, packed."""
    work = pa.table({"keys": pa.array(keys, pa.list_(pa.string()))})
    return engine.run(_SumTask(output, sum_of), work, "share binary") if keys else []


def _share_in(row: Mapping[str, Any]) -> Statistics | None:
    return None if row["share"] is None else statistics.unpack(bytes(row["share"]))


def project_runs(engine: Engine, output: str, runs: list[Run], version: Version) -> None:
    """Write the runs' coordinates under the version, a file for each features file."""
    store = open_store(output)

    def prepared(run: Run) -> list[tuple[str, str]]:
        folder = run.results_pca(version.number)
        sources = store.list(run.results, ".parquet")
        targets = [f"{folder}/{source.rpartition('/')[2]}" for source in sources]
        store.delete(sorted(set(store.list(folder)) - set(targets)))  # of an earlier attempt
        return list(zip(sources, targets, strict=True))

    pairs = list(chain.from_iterable(read_ahead(prepared, runs, store.read_ahead)))
    if not pairs:
        return
    basis = engine.share(pca.pack(version.basis))
    engine.run(_ProjectTask(output, basis), _dealt(pairs, engine.cores * 4), "rows long")


def _dealt(pairs: list[tuple[str, str]], tasks: int) -> pa.Table:
    """Pairs of files, dealt to at most so many tasks."""
    hands = [pairs[start::tasks] for start in range(min(tasks, len(pairs)))]
    return pa.table(
        {
            "sources": [[source for source, _ in hand] for hand in hands],
            "targets": [[target for _, target in hand] for hand in hands],
        }
    )


@dataclass(frozen=True)
class _SumTask:
    """Lists of keys in, packed statistics out: of the shares or the features files under them."""

    output: str
    sum_of: Callable[[Store, list[str]], Statistics | None]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(self.output)
        for row in rows_of(batches):
            yield _packed(self.sum_of(store, texts_in(row["keys"])))


@dataclass(frozen=True)
class _SmallRunsTask:
    """Lists of runs' features files in, and where each run's share is stored; their sum out."""

    output: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store, merged = open_store(self.output), None
        for row in rows_of(batches):
            for file, key in zip(texts_in(row["files"]), texts_in(row["shares"]), strict=True):
                features = features_of_file(store, file)
                if len(features):
                    store.write(key, statistics.pack_share(features))
                    merged = added([merged, statistics.statistics_of(features)])
        yield _packed(merged)


@dataclass(frozen=True)
class _ProjectTask:
    """Features files in; coordinates files stored, their numbers of rows out."""

    output: str
    basis: Shared

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(self.output)
        basis = pca.unpack(self.basis.value)
        for row in rows_of(batches):
            for source, target in zip(
                texts_in(row["sources"]), texts_in(row["targets"]), strict=True
            ):
                rows = project_file(store, source, target, basis)
                yield pa.RecordBatch.from_arrays([pa.array([rows])], names=["rows"])


def _packed(share: Statistics | None) -> pa.RecordBatch:
    packed = pa.array([None if share is None else statistics.pack(share)], pa.binary())
    return pa.RecordBatch.from_arrays([packed], names=["share"])
