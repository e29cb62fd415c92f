"""All batches in the order of their last change, a page at a time: however many there are, a look
reads what changed since the last one."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from threading import Lock
from time import monotonic

from darkroom.layout import ERASURES, JOBS
from functions.runs.records import FINISHED, RunRecord, State
from functions.runs.table import RunTable
from functions.web.names import batch_of_id, id_of

_MOST_KEPT = 2000  # batches
_KEPT_SECONDS = 60  # what an erasure restates keeps its place in the order


@dataclass(frozen=True)
class Place:
    """Where a page ends: a batch, and when its newest run was last changed."""

    changed_at: float
    batch: str

    @property
    def order(self) -> tuple[float, str]:
        """The last changed come first; of those that changed at the same moment, by name."""
        return -self.changed_at, self.batch

    @property
    def text(self) -> str:
        """As it stands in addresses; `place_in` reads it."""
        return f"{self.changed_at}@{id_of(self.batch)}"


def place_in(text: str) -> Place | None:
    """The place that a text names; None where it names none.

    >>> place_in(Place(1790000000.25, "Pêche 1").text)
    Place(changed_at=1790000000.25, batch='Pêche 1')
    """
    moment, _, name = text.partition("@")
    batch = batch_of_id(name)
    if batch is None or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", moment):
        return None
    return Place(float(moment), batch)


@dataclass(frozen=True)
class _Kept:
    records: list[RunRecord]
    read_at: float

    def is_current(self, entry: RunRecord) -> bool:
        """Whether nothing is to be expected that is not known: all runs have ended, the one that
        the index tells of among them."""
        known = {record.run: record for record in self.records}
        there = known.get(entry.run)
        return (
            monotonic() - self.read_at < _KEPT_SECONDS
            and all(record.state in FINISHED for record in self.records)
            and there is not None
            and there.changed_at >= entry.changed_at
        )


@dataclass
class BatchList:
    """Reads batches, and keeps those whose runs have ended."""

    runs: RunTable
    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def newest_first(self, after: Place | None = None) -> Iterator[list[RunRecord]]:
        """The runs of each batch, oldest first; the batch first whose newest run changed last, or
        the first after a place."""
        told = set()
        for entry in self._entries(after):
            if entry.batch in told or entry.batch in (ERASURES, JOBS):
                continue
            records = self._runs_of(entry)
            if not records or records[-1].run != entry.run:  # told of by its newest run
                continue
            told.add(entry.batch)
            yield records

    def _entries(self, after: Place | None) -> Iterator[RunRecord]:
        until = None if after is None else after.changed_at
        of_states = [_ties_by_name(self.runs.newest_first(state, until)) for state in State]
        for entry in merge(*of_states, key=lambda e: Place(e.changed_at, e.batch).order):
            place = Place(entry.changed_at, entry.batch)
            if after is None or place.order > after.order:
                yield entry

    def _runs_of(self, entry: RunRecord) -> list[RunRecord]:
        with self._lock:
            kept = self._kept.get(entry.batch)
        if kept is not None and kept.is_current(entry):
            return kept.records
        records = list(self.runs.of_batch(entry.batch))
        with self._lock:
            self._kept[entry.batch] = _Kept(records, monotonic())
            self._kept.move_to_end(entry.batch)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return records


def _ties_by_name(entries: Iterator[RunRecord]) -> Iterator[RunRecord]:
    """The index has no order among runs that changed at the same moment."""
    for _, together in groupby(entries, key=lambda entry: entry.changed_at):
        yield from sorted(together, key=lambda entry: entry.batch)
