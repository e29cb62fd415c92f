"""Stage 2: features to coordinates, in one system for the whole corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import pyarrow as pa

from darkroom.coordinates import pca, statistics
from darkroom.coordinates.corpus import merged_statistics, project_file, statistics_of_files
from darkroom.coordinates.statistics import Statistics
from darkroom.coordinates.versions import (
    Version,
    claim,
    publish,
)
from darkroom.images.backbone import backbone_id
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.run.receipt import PcaNote
from darkroom.storage.opening import open_store
from emr_serverless_job.engine import Engine, Shared, rows_of
from emr_serverless_job.keep_or_refit import decide
from emr_serverless_job.request import Request

_MOST_STATISTICS_TASKS = 16  # each sends 6.5 MB for 1280 dimensions to the driver


def place_run(engine: Engine, request: Request, earlier: list[Run]) -> PcaNote | None:
    """Give the run its coordinates; None where the corpus has no features at all.

    The basis stays while it captures nearly what the best one would; else a new version is fitted
    and all earlier runs are projected anew from their stored features. The pointer to the current
    version moves last, so a reader never finds it half-written.
    """
    store = open_store(request.output)
    files = store.list(request.run.results, ".parquet")
    merged = _corpus_statistics(engine, request, earlier, files)
    if merged.n == 0:
        return None
    decision = decide(engine, request, earlier, merged)
    if decision.refitted:
        runs = [request.run, *earlier]
        backbone = backbone_id(request.model)
        decision = replace(decision, version=claim(store, backbone, runs, merged, decision.version))
        project_runs(engine, request.output, runs, decision.version)
        publish(store, backbone, decision.version)
        meanwhile = [run for run in receipt.done_runs(store) if run not in runs]
        project_runs(engine, request.output, meanwhile, decision.version)
    else:
        project_runs(engine, request.output, [request.run], decision.version)
    return PcaNote(
        decision.version.number,
        decision.refitted,
        decision.version.basis.rank,
        decision.variance_kept,
    )


def _corpus_statistics(
    engine: Engine, request: Request, earlier: list[Run], files: list[str]
) -> Statistics:
    store = open_store(request.output)
    own = run_statistics(engine, request.output, files)
    if own is not None:
        store.write(request.run.statistics, statistics.pack(own))
    merged = merged_statistics(store, earlier, own)
    return merged if merged is not None else statistics.no_statistics(0)


def run_statistics(engine: Engine, output: str, files: list[str]) -> Statistics | None:
    """The merged statistics of features files; None where they have no rows."""
    if not files:
        return None
    tasks = min(engine.cores, _MOST_STATISTICS_TASKS, len(files))
    work = pa.table({"files": [files[start::tasks] for start in range(tasks)]})
    rows = engine.run(_StatisticsTask(output), work, "share binary")
    shares = [statistics.unpack(bytes(row["share"])) for row in rows]
    return reduce(add, shares) if shares else None


def project_runs(engine: Engine, output: str, runs: list[Run], version: Version) -> None:
    """Write the runs' coordinates under the version, a file for each features file."""
    store = open_store(output)
    pairs: list[tuple[str, str]] = []
    for run in runs:
        folder = run.results_pca(version.number)
        sources = store.list(run.results, ".parquet")
        targets = [f"{folder}/{source.rpartition('/')[2]}" for source in sources]
        store.delete(sorted(set(store.list(folder)) - set(targets)))  # of an earlier attempt
        pairs += zip(sources, targets, strict=True)
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
class _StatisticsTask:
    """Lists of features files in, packed statistics out."""

    output: str

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        store = open_store(self.output)
        for row in rows_of(batches):
            share = statistics_of_files(store, _strings(row["files"]))
            if share is not None:
                packed = pa.array([statistics.pack(share)], pa.binary())
                yield pa.RecordBatch.from_arrays([packed], names=["share"])


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
                _strings(row["sources"]), _strings(row["targets"]), strict=True
            ):
                rows = project_file(store, source, target, basis)
                yield pa.RecordBatch.from_arrays([pa.array([rows])], names=["rows"])


def _strings(cell: object) -> list[str]:
    return [str(value) for value in cell] if isinstance(cell, list) else []
