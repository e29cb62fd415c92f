"""The statistics of the whole corpus, kept: what a job reads in place of all runs' shares.

`pca/total.npz` is a sum, and the list of the runs that are in it. Whoever finds runs beside it adds
them, by a conditional write: one that may have landed is seen by its list, and one that is lost
costs the next job a little more. A sum is never taken apart again: where a run is in it that is no
part of the corpus any more, or whose share has changed, all shares are added up anew.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from darkroom.coordinates import statistics
from darkroom.coordinates.statistics import Statistics, added
from darkroom.errors import ConflictError, LostAnswerError, ObjectNotFoundError
from darkroom.layout import TOTAL_STATISTICS, Run, run_in
from darkroom.storage.store import Requirement, Store

_MOST_TASKS = 24  # that add up shares: each tells 6.5 MB for 1280 dimensions
_LEAST_SHARES = 16  # worth a task


@dataclass(frozen=True)
class _Total:
    """A sum over runs; None over none. `etag` is that of the object it was read from."""

    statistics: Statistics | None
    runs: frozenset[Run]
    etag: str | None


def statistics_of_runs(
    store: Store,
    runs: Sequence[Run],
    add_up: Callable[[Sequence[Run]], Iterable[Statistics | None]],
) -> Statistics | None:
    """The statistics of runs, which are the corpus: the sum that is kept, with the shares of those
    that came since, which `add_up` adds up. None where there are none."""
    kept = _read(store, runs)
    since = [run for run in runs if run not in kept.runs]
    if not since:
        return kept.statistics
    total = _Total(added([kept.statistics, *add_up(since)]), frozenset(runs), kept.etag)
    _keep(store, total)
    return total.statistics


def forget_total(store: Store) -> None:
    """Before a run's share changes, or goes. Safe to repeat."""
    store.delete([TOTAL_STATISTICS])


def dealt_shares(runs: Sequence[Run], most_tasks: int) -> list[list[str]]:
    """The keys of runs' shares, dealt to tasks that are worth it."""
    tasks = min(most_tasks, _MOST_TASKS, -(-len(runs) // _LEAST_SHARES))
    return [[run.statistics for run in runs[start::tasks]] for start in range(tasks)]


def sum_of_shares(store: Store, keys: Iterable[str]) -> Statistics | None:
    """The stored shares under these keys, added up; None where nothing is in them."""
    return added(_share(store, key) for key in keys)


def _share(store: Store, key: str) -> Statistics | None:
    """None where it is gone since it was listed, or all of it was erased."""
    try:
        share = statistics.unpack(store.read(key))
    except ObjectNotFoundError:
        return None
    return share if share.n else None


def _read(store: Store, corpus: Sequence[Run]) -> _Total:
    """The sum over a part of the corpus' runs. Nothing is in one that has others, too."""
    try:
        stored = store.read_versioned(TOTAL_STATISTICS)
    except ObjectNotFoundError:
        return _Total(None, frozenset(), None)
    with np.load(io.BytesIO(stored.data), allow_pickle=False) as arrays:
        runs = frozenset(map(run_in, json.loads(arrays["runs"].tobytes())))
        packed = arrays["statistics"].tobytes()
    if not runs or not runs <= set(corpus):
        return _Total(None, frozenset(), stored.etag)
    return _Total(statistics.unpack(packed), runs, stored.etag)


def _keep(store: Store, total: _Total) -> None:
    """Store the sum in the place of the one that it was made from. Where somebody else has stored
    one meanwhile, or may have, theirs stays: it is a sum, too."""
    if total.statistics is None:
        return
    names = json.dumps(sorted(run.in_ascii for run in total.runs)).encode()
    packed = statistics.pack(total.statistics)
    buffer = io.BytesIO()
    np.savez(buffer, runs=_as_array(names), statistics=_as_array(packed))
    with suppress(ConflictError, LostAnswerError):
        store.write_if(TOTAL_STATISTICS, buffer.getvalue(), _as_read(total))


def _as_array(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _as_read(total: _Total) -> Requirement:
    return Requirement(
        total.etag,
        "the sum is the one that was added to",
        "another job has stored a sum meanwhile",
    )
