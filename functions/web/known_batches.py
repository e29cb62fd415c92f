"""A batch's runs, for whoever asks about it. Erasures stand in the same table, and are no batch."""

from __future__ import annotations

from darkroom.layout import ERASURES, JOBS
from functions.runs.records import RunRecord
from functions.runs.table import RunTable
from functions.web.problems import not_found


def runs_of(table: RunTable, batch: str) -> list[RunRecord]:
    """The batch's runs, oldest first; none where nothing was uploaded under this name."""
    return [] if batch in (ERASURES, JOBS) else list(table.of_batch(batch))


def existing_runs(table: RunTable, batch: str) -> list[RunRecord]:
    """The same. Raises `ProblemError` where there are none."""
    records = runs_of(table, batch)
    if not records:
        raise not_found(f"there is no batch {batch!r}")
    return records
