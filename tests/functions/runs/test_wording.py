"""Where a batch stands, in words; and when it closes."""

from __future__ import annotations

from dataclasses import replace
from time import time

import pytest

from functions.runs.batch_complete import MOST_PARTS, ClosingRules, closing_of
from functions.runs.records import Lane, RunRecord, State
from functions.runs.wording import words

RULES = ClosingRules(quiet_seconds=120, marker_seconds=15, max_age_seconds=21600)


def record(**changes: object) -> RunRecord:
    now = time()
    ago: dict[str, float] = changes.pop("ago", {})  # type: ignore[assignment]
    moments = {name: now - seconds for name, seconds in ago.items()}
    made = RunRecord("spring", 1, State.OPEN, opened_at=now - 60, last_upload_at=now - 80,
                     uploads=412, images=412)  # fmt: skip
    return replace(made, **changes, **moments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "waiting: 412 files, closes in 40 s unless more come"),
        ({"ready": True, "ago": {"last_upload_at": 0}}, "waiting: 412 files, closes in 15 s"),
        ({"ready": True, "expected": 500}, "waiting: 412 files, closes in 6.0 h"),
        ({"state": State.SEALED, "closed_because": "quiet for 120 s"},
         "closed (quiet for 120 s): waits for the next job"),
        ({"state": State.SEALED, "closed_because": "quiet for 120 s", "job": "j"},
         "closed (quiet for 120 s): the job is being submitted"),
        ({"state": State.SEALED, "closed_because": "quiet", "reason": "x", "attempt": 2},
         "closed (quiet): waits for the next job again, since attempt 1 failed"),
        ({"state": State.SEALED, "closed_because": "quiet", "reason": "x"},
         "closed (quiet): waits for the next job again, with fewer others, since their job failed"),
        ({"state": State.SEALED, "closed_because": "quiet", "reason": "x", "lane": Lane.SPARK},
         "closed (quiet): waits for the next job, since the function for small batches could not "
         "end it"),
        ({"state": State.SUBMITTED, "ago": {"submitted_at": 5}},
         "submitted 5 s ago: 412 files, attempt 1"),
        ({"state": State.RUNNING, "ago": {"submitted_at": 300}},
         "running for 5 min: 412 files, attempt 1"),
        ({"state": State.SUCCEEDED},
         "processed: 412 files, attempt 1; the results are being catalogued"),
        ({"state": State.DONE, "processed": 400, "rejected": 8, "missing": 2, "cost": 0.5,
          "currency": "EUR", "opened_at": 0, "changed_at": 90},
         "done: 410 found = 400 processed + 8 rejected + 2 missing (2 more are no images), "
         "in 90 s, cost 0.5000 EUR"),
        ({"state": State.FAILED, "reason": "the job was cancelled"},
         "FAILED: the job was cancelled"),
    ],
    ids=["quiet", "ready", "short", "waits", "closed", "again", "fewer", "from-the-function",
         "submitted", "running", "succeeded",
         "done", "failed"],
)  # fmt: skip
def test_where_a_run_stands(changes: dict[str, object], expected: str) -> None:
    assert words(record(**changes), RULES).startswith(expected)


def test_a_batch_that_never_goes_quiet_closes_at_its_maximum_age() -> None:
    now = time()
    busy = record(opened_at=now - 21600, last_upload_at=now)
    closing = closing_of(busy, RULES)
    assert closing.at <= now
    assert closing.because == "open for 21600 s, the limit"


def test_a_count_is_looked_at_only_when_it_may_be_reached() -> None:
    def never() -> int:
        raise AssertionError("counted in vain")

    assert closing_of(record(expected=413), RULES, never).because.startswith("open for")
    assert closing_of(record(expected=412), RULES, lambda: 411).because.startswith("open for")
    reached = closing_of(record(expected=412), RULES, lambda: 412)
    assert reached.because == "all 412 announced files are there"


def test_a_run_closes_before_its_record_is_full() -> None:
    full = record(parts=frozenset(map(str, range(MOST_PARTS))))
    assert closing_of(full, RULES).at <= time()
