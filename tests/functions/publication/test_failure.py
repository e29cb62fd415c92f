"""Jobs that fail: tried again, and told in words."""

from __future__ import annotations

import pytest

from darkroom.errors import UsageError
from functions.repair.retry import retry_failed
from functions.runs.records import State
from tests.functions.cloud.job import job_says
from tests.functions.cloud.world import World


class TestFailure:
    def fail(self, world: World, log: str = "", details: str = "") -> str:
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        for _ in range(2):
            world.deliver("submit")
            job = list(world.emr._jobs.values())[-1]
            if log:
                job_says(world, job, log)
            world.emr._change(job, "FAILED", details)
            world.tell(job)
            world.deliver("catalog")
        record = world.record("spring")
        assert (record.state, record.attempt) == (State.FAILED, 2)
        return record.reason

    def test_is_told_in_the_jobs_own_last_word(self, world: World) -> None:
        log = 'noise\n26/11/22 INFO {"outcome": "failed", "message": "no model at s3://x"}\nmore\n'
        assert self.fail(world, log) == "no model at s3://x"

    @pytest.mark.parametrize(
        ("details", "words"),
        [
            ("ExitCode: 137. Container killed on request", "out of memory"),
            ("AccessDenied when calling GetObject", "check the job role"),
            ("ApplicationMaxCapacityExceeded", "raise the stack's MaximumVcpu"),
            ("Job execution timed out", "JobTimeoutMinutes"),
            ("", "before it could say why"),
            ("Job failed, exit code 1: noise", "(exit code 1): see its log"),
        ],
        ids=["memory", "access", "capacity", "time", "silence", "status"],
    )
    def test_without_a_log_is_told_in_words(self, world: World, details: str, words: str) -> None:
        assert words in self.fail(world, details=details)

    def test_is_logged_where_a_message_comes_again(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.send("submit", {"nobody": "knows"})
        world.deliver("submit")
        assert "not a run to look at" in caplog.text

    def test_of_a_job_past_its_time_names_the_parameter(self, world: World) -> None:
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        world.deliver("submit")
        (job,) = world.emr._jobs.values()
        world.emr._change(job, "CANCELLED", "Job execution timed out")
        world.tell(job)
        world.deliver("catalog")
        assert "JobTimeoutMinutes" in world.record("spring").reason

    def test_of_a_job_that_was_cancelled_is_not_tried_again(self, world: World) -> None:
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        world.deliver("submit")
        (job,) = world.emr._jobs.values()
        world.emr._change(job, "CANCELLED")
        world.tell(job)
        world.pump()
        assert world.record("spring").reason == "the job was cancelled"
        assert len(world.emr._jobs) == 1

    def test_can_be_retried_by_hand(self, world: World) -> None:
        self.fail(world)
        retry_failed(world.record("spring"), world.runs, world.queues)
        world.pump()
        assert (world.record("spring").state, world.record("spring").attempt) == (State.DONE, 3)

    def test_alone_can_be_retried(self, world: World) -> None:
        world.upload("spring/1.jpg")
        world.pump()
        with pytest.raises(UsageError, match="is DONE, not FAILED"):
            retry_failed(world.record("spring"), world.runs, world.queues)
