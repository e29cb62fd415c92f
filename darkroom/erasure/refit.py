"""Taking images out of the coordinate system: statistics made anew, and a version that never saw
them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from darkroom.coordinates import pca, statistics, versions
from darkroom.coordinates.corpus import project_file, statistics_of_files
from darkroom.coordinates.pointer import remove_version, runs_with_share
from darkroom.coordinates.statistics import Statistics, added
from darkroom.coordinates.total import statistics_of_runs, sum_of_shares
from darkroom.erasure.search import Spread
from darkroom.layout import Run
from darkroom.storage.store import Store

_MOST_STATISTICS_TASKS = 16  # each brings 6.5 MB for 1280 dimensions


class _Projection(NamedTuple):
    source: str
    target: str


def restate_statistics(store: Store, spread: Spread, run: Run) -> None:
    """Write the run's share in the corpus' statistics from the features that are left of it; one
    over nothing where none are, since its files still have their place in each version."""
    files = store.list(run.results, ".parquet")
    tasks = min(_MOST_STATISTICS_TASKS, len(files))
    shares = spread(_share_of, [files[start::tasks] for start in range(tasks)])
    restated = added(statistics.unpack(share) for share in shares if share)
    nothing = np.zeros((0, 0), np.float32)
    packed = statistics.pack_share(nothing) if restated is None else statistics.pack(restated)
    store.write(run.statistics, packed)


def _share_of(store: Store, files: Sequence[str]) -> bytes | None:
    return _packed(statistics_of_files(store, files))


def _packed(share: Statistics | None) -> bytes | None:
    return None if share is None else statistics.pack(share)


def replace_version(store: Store, spread: Spread, doomed: Sequence[int]) -> None:
    """Put a version that is fitted on what is left in the place of a current one that is doomed.

    All runs are projected from their stored features; the pointer moves last. Repeating it after an
    interruption leaves no half-made version behind.
    """
    _remove_unpublished(store)
    runs = runs_with_share(store)
    merged = _corpus_statistics(store, spread, runs)  # which the next job would have to make
    current = versions.current_version(store)
    if current is None or current.number not in doomed:
        return
    if merged is None:
        versions.withdraw(store)
        return
    backbone = versions.corpus_backbone(store) or ""
    fitted = pca.align_signs(pca.fit(merged), current.basis)
    coming = replace(versions.next_version(store), basis=fitted)
    version = versions.claim(store, backbone, runs, merged, coming)
    spread(partial(_project, basis=pca.pack(fitted)), _projections(store, runs, version.number))
    versions.publish(store, backbone, version)
    versions.note_complete(store, version.number)


def _corpus_statistics(store: Store, spread: Spread, runs: Sequence[Run]) -> Statistics | None:
    def sums(keys: Sequence[Sequence[str]]) -> list[Statistics | None]:
        return [statistics.unpack(told) if told else None for told in spread(_sum_of, keys)]

    return statistics_of_runs(store, runs, sums, _MOST_STATISTICS_TASKS)


def _sum_of(store: Store, keys: Sequence[str]) -> bytes | None:
    return _packed(sum_of_shares(store, keys))


def _projections(store: Store, runs: Sequence[Run], version: int) -> list[_Projection]:
    return [
        _Projection(source, f"{run.results_pca(version)}/{source.rpartition('/')[2]}")
        for run in runs
        for source in store.list(run.results, ".parquet")
    ]


def _project(store: Store, files: _Projection, basis: bytes) -> int:
    return project_file(store, files.source, files.target, pca.unpack(basis))


def _remove_unpublished(store: Store) -> None:
    """What an interrupted attempt left: nobody reads it, and no other job is under way."""
    coming = versions.next_version(store).number
    for number in versions.fitted_on(store):
        if number >= coming:
            remove_version(store, number)
