"""The work of several runs side by side, such that one that cannot be done fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyarrow as pa

from darkroom.layout import Run
from emr_serverless_job.engine import Engine, Task

WHOSE = "whose"  # the column that says, by a number, to whom a row belongs

Rows = list[Mapping[str, Any]]


def run_apart(
    engine: Engine,
    task: Task,
    works: Mapping[Run, pa.Table],
    schema: str,
    again: Callable[[pa.Table], pa.Table] = lambda work: work,
) -> dict[Run, Rows | Exception]:
    """What `task` makes of the rows of each run's work, or why it cannot. `task` hands on the
    column `WHOSE`, the run's number, which is put before those of the work and those of `schema`.

    All tasks run side by side. Where one fails for good, it takes the others with it: then each
    half is done by itself, and so on, until what fails is alone. Tasks must be safe to repeat;
    `again` is what a work is when it has been tried.
    """
    runs = list(works)
    numbered = {number: _with_number(number, works[run]) for number, run in enumerate(runs)}
    told = _apart(engine, task, numbered, f"{WHOSE} int, {schema}", again)
    return {run: told[number] for number, run in enumerate(runs)}


def _apart(
    engine: Engine,
    task: Task,
    works: Mapping[int, pa.Table],
    schema: str,
    again: Callable[[pa.Table], pa.Table],
) -> dict[int, Rows | Exception]:
    try:
        rows = _all_rows(engine, task, works.values(), schema)
    except Exception as error:  # whatever a run's images can bring about
        if len(works) == 1:
            return dict.fromkeys(works, error)
        tried = [(number, again(work)) for number, work in works.items()]
        half = len(tried) // 2
        first = _apart(engine, task, dict(tried[:half]), schema, again)
        return first | _apart(engine, task, dict(tried[half:]), schema, again)
    told: dict[int, Rows] = {number: [] for number in works}
    for row in rows:
        told[row[WHOSE]].append(row)
    return dict(told)


def _all_rows(engine: Engine, task: Task, works: Iterable[pa.Table], schema: str) -> Rows:
    work = pa.concat_tables(works) if works else pa.table({})
    return engine.run(task, work, schema) if work.num_rows else []


def _with_number(number: int, work: pa.Table) -> pa.Table:
    return work.add_column(0, WHOSE, pa.array([number] * work.num_rows, pa.int32()))
