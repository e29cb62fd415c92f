"""The statistics of the whole corpus, kept: what a job reads in place of all runs' shares.

`pca/total.npz` is a sum, and the list of the runs that are in it. Whoever finds runs beside it adds
them, by a conditional write: one that may have landed is seen by its list, and one that is lost
costs the next job a little more. A sum is never taken apart again: where a run is in it that is no
part of the corpus any more, or whose share has changed, it is made anew, of the sums over 32 runs
each that lie in `pca/sums/`, and of the shares of those that are in none.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from darkroom.coordinates import statistics
from darkroom.coordinates.statistics import Statistics, added
from darkroom.errors import ConflictError, LostAnswerError, ObjectNotFoundError
from darkroom.layout import TOTAL_STATISTICS, Run, run_in
from darkroom.storage.bundles import Bundle, Shelf
from darkroom.storage.store import Requirement, Store, Stored

BLOCK_RUNS = 32
BLOCKS = Shelf("pca/sums", ".npz", linger_seconds=24 * 3600)
_MOST_BLOCKS = 8  # that one job makes: each is 6.5 MB for 1280 dimensions, as is what a task tells
_MOST_TASKS = 24  # that add up shares
_LEAST_SHARES = 16  # worth a task
_GONE = Stored(-1, 0.0)

Sums = Callable[[Sequence[Sequence[str]]], Iterable[Statistics | None]]


@dataclass(frozen=True)
class _Total:
    """A sum over runs; None over none. `etag` is that of the object it was read from."""

    statistics: Statistics | None
    runs: frozenset[Run]
    etag: str | None


def statistics_of_runs(
    store: Store, runs: Sequence[Run], sums: Sums, most_tasks: int
) -> Statistics | None:
    """The statistics of runs, which are the corpus: the sum that is kept, with the shares of those
    that came since. None where there are none. `sums` gives `sum_of_shares` of each list of keys,
    by as many tasks."""
    kept = _read(store, runs)
    since = [run for run in runs if run not in kept.runs]
    if not since:
        return kept.statistics
    before = store.stored("statistics")
    keys = [run.statistics for run in since] if kept.runs else _all_shares(store, runs)
    summed = added([kept.statistics, *sums(_dealt(keys, most_tasks))])
    if _are_unchanged(store, runs, before):
        _keep(store, _Total(summed, frozenset(runs), kept.etag))
        _bundle(store, runs, sums, before)
    return summed


def _are_unchanged(store: Store, runs: Iterable[Run], before: Mapping[str, Stored]) -> bool:
    """Whether the shares of runs are those that were there: a run that was worked anew meanwhile is
    in no sum."""
    now = store.stored("statistics")
    return all(before.get(run.statistics) == now.get(run.statistics, _GONE) for run in runs)


def statistics_without(
    store: Store, runs: Sequence[Run], left_out: Collection[Run]
) -> Statistics | None:
    """The statistics of runs but some of them, to look at: nothing is stored. None where there are
    none."""
    kept = _read(store, runs)
    since = [run for run in runs if run not in kept.runs and run not in left_out]
    whole = added([kept.statistics, sum_of_shares(store, [run.statistics for run in since])])
    inside = [run.statistics for run in left_out if run in kept.runs]
    gone = sum_of_shares(store, inside)
    left = whole - gone if whole is not None and gone is not None else whole
    return left if left is not None and left.n else None


def forget_sums(store: Store, runs: Collection[Run], alone: bool) -> None:
    """Before the shares of runs change, or go; `alone`: where nobody else is at work. Safe to
    repeat."""
    store.delete([TOTAL_STATISTICS])
    if alone:
        BLOCKS.forget(store, runs)
    else:
        BLOCKS.drop(store, set(runs))


def sums_with(store: Store, runs: Collection[Run]) -> list[str]:
    """The keys of all sums that one of these runs may be in."""
    total = [key for key in store.list("pca") if key == TOTAL_STATISTICS]
    return [*total, *BLOCKS.of(store, runs)]


def sum_of_shares(store: Store, keys: Iterable[str]) -> Statistics | None:
    """The shares or sums stored under these keys, added up; None where nothing is in them."""
    return added(_share(store, key) for key in keys)


def _share(store: Store, key: str) -> Statistics | None:
    """None for a share that is gone since it was listed, or all of which was erased."""
    try:
        share = statistics.unpack(store.read(key))
    except ObjectNotFoundError:
        if key.startswith(BLOCKS.folder):
            raise
        return None
    return share if share.n else None


def _dealt(keys: Sequence[str], most_tasks: int) -> list[list[str]]:
    """Keys, dealt to tasks that are worth it."""
    tasks = min(most_tasks, _MOST_TASKS, -(-len(keys) // _LEAST_SHARES))
    return [list(keys[start::tasks]) for start in range(tasks)]


def _all_shares(store: Store, runs: Sequence[Run]) -> list[str]:
    """Where the corpus' statistics stand, in as few objects as may be."""
    corpus, named, there = set(runs), BLOCKS.index(store).bundles, set(BLOCKS.all(store))
    blocks = [block for block in named
              if corpus.issuperset(block.runs) and BLOCKS.key(block.name) in there]  # fmt: skip
    alone = corpus.difference(*(block.runs for block in blocks))
    return [*(BLOCKS.key(b.name) for b in blocks), *(r.statistics for r in runs if r in alone)]


def _bundle(store: Store, runs: Sequence[Run], sums: Sums, before: Mapping[str, Stored]) -> None:
    """Store sums over runs that are in none, and drop those over runs that are no part of the
    corpus: what is worked anew just now is none. Where somebody else does so at once, or may have,
    theirs are enough."""
    known, corpus = BLOCKS.index(store), set(runs)
    stays = [block for block in known.bundles if corpus.issuperset(block.runs)]
    bundled = known.runs
    waiting = [run for run in runs if run not in bundled]
    starts = range(0, len(waiting) - BLOCK_RUNS + 1, BLOCK_RUNS)[:_MOST_BLOCKS]
    groups = [waiting[start : start + BLOCK_RUNS] for start in starts]
    summed = sums([[run.statistics for run in group] for group in groups])
    for group, total in zip(groups, summed, strict=True):
        if total is not None:
            block = Bundle(uuid4().hex, tuple(group), total.n, 0)
            store.write(BLOCKS.key(block.name), statistics.pack(total))
            stays.append(block)
    changed = groups or len(stays) < len(known.bundles)
    if changed and _are_unchanged(store, chain(*groups), before):
        with suppress(ConflictError, LostAnswerError):
            BLOCKS.replace(store, known, stays)


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
