"""A small batch from a closed run to its receipt, in one invocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Any

from darkroom.errors import ConflictError, DarkroomError
from darkroom.layout import Run
from functions.aws.observability import count, logger
from functions.runs.records import Lane, RunRecord, State
from functions.runs.state_machine import Step
from functions.runs.table import RunTable

_MARGIN_SECONDS = 60  # between clocks
_LOST = "its invocation ended without a word: killed, or out of memory"


@dataclass(frozen=True)
class SmallBatches:
    """The steps of `small_job`. `work` does a run, as far as it can be done here; `seconds_left`
    are those of this invocation, whose id is `invocation` and which has `memory_gb`."""

    runs: RunTable
    work: Callable[[Run, int | None], None]
    seconds_left: Callable[[], float]
    memory_gb: float
    invocation: str

    @property
    def steps(self) -> Mapping[State, Step]:
        """What is done in which state."""
        return {State.SUBMITTED: self.work_off, State.RUNNING: self.look_after}

    def work_off(self, record: RunRecord) -> bool:
        """Work a run that was submitted here. What keeps it from its end here may not do so on
        Spark, which takes it then."""
        if record.lane != Lane.SMALL:
            return False
        began = time()
        record = self.runs.change(
            record,
            state=State.RUNNING,
            job_run_id=self.invocation,
            works_until=began + self.seconds_left(),
        )
        try:
            self.work(record.key, record.expected)
        except Exception as error:  # whatever images, memory or AWS can bring about
            words = str(error) if isinstance(error, DarkroomError) else f"{error!r}"
            self.to_spark(record, words, **self._bill(record, began))
            return True
        bill = self._bill(record, began)
        self._change(record, state=State.SUCCEEDED, billed_attempt=record.attempt, **bill)
        return True

    def look_after(self, record: RunRecord) -> bool:
        """Whoever works the run has so long; where they were cut off, Spark takes it."""
        if record.lane != Lane.SMALL or time() < record.works_until + _MARGIN_SECONDS:
            return False
        self.to_spark(record, _LOST)
        return True

    def to_spark(self, record: RunRecord, words: str, **changes: float) -> None:
        """Let the joint job take a run that cannot be done here, which is no attempt of its own."""
        told = {"batch": record.batch, "run": record.run, "reason": words}
        logger.warning("a small batch goes to Spark", extra=told)
        count("SmallBatchesToSpark")
        self._change(
            record,
            state=State.SEALED,
            lane=Lane.SPARK,
            job="",
            job_run_id="",
            reason=words,
            **changes,
        )

    def _change(self, record: RunRecord, **changes: Any) -> None:
        """Change a run whatever was said of it meanwhile, as long as it is at work here."""
        try:
            self.runs.change(record, **changes)
        except ConflictError:
            there = self.runs.get(record.key)
            at_work = (record.state, record.job_run_id)
            if there is None or (there.state, there.job_run_id) != at_work:
                raise
            self.runs.change(there, **changes)

    def _bill(self, record: RunRecord, began: float) -> dict[str, float]:
        """What all invocations together have taken of memory and time."""
        gb_seconds = (time() - began) * self.memory_gb
        return {"function_gb_seconds": record.function_gb_seconds + gb_seconds}
