"""Waiting for states, not clocks: a slow machine may take its time, as long as something moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from cli.on_stack.stack import Stack
from functions.runs.records import FINISHED, RunRecord, State

Value = TypeVar("Value")

PATIENCE_SECONDS = (
    900  # with nothing moving; also for a command, which shows nothing of its progress
)
_LOOK_SECONDS = 0.1


def until(happened: Callable[[], Value], moving: Callable[[], object] = lambda: None) -> Value:
    """Wait until it happened; what it then says. Fails when `moving` says the same for long."""
    seen, since = moving(), time.monotonic()
    while not (value := happened()):
        time.sleep(_LOOK_SECONDS)
        if (now := moving()) != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise AssertionError(f"nothing has moved for {PATIENCE_SECONDS} s: {now!r}")
    return value


def states(stack: Stack) -> object:
    """Where all runs stand, and how far their jobs are."""
    found = sorted(stack.runs.every(), key=lambda record: record.key)
    return [(r.key, r.state, r.revision, stack.progress(r)) for r in found]


def in_state(stack: Stack, batch: str, *wanted: State, run: int | None = None) -> RunRecord:
    """The batch's newest run (or that one), when it is in one of the states."""

    def there() -> RunRecord | None:
        mine = [r for r in stack.runs.of_batch(batch) if run is None or r.run == run]
        return mine[-1] if mine and mine[-1].state in wanted else None

    record = until(there, lambda: states(stack))
    assert record is not None
    return record


def finished(stack: Stack, batch: str, run: int | None = None) -> RunRecord:
    """The batch's newest run (or that one), when it is done or has failed."""
    return in_state(stack, batch, *FINISHED, run=run)
