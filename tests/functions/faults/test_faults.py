"""A fault after every AWS call in turn, events twice, backwards, or not at all: one end state.

The calls are found by recording them, so a new one is tried without being listed here.
"""

from __future__ import annotations

import os
import pickle
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from functions.runs.records import State
from tests.functions.cloud.in_order import read_in_order
from tests.functions.cloud.resources import new_world
from tests.functions.cloud.world import PlantedError, World

Scenario = Callable[[World], None]


def a_batch_and_a_top_up(world: World) -> None:
    world.upload("spring/apple/1.jpg")
    world.upload("spring/apple/broken.jpg")
    world.upload("spring/_READY", b'{"images": 2}')
    world.pump()
    world.upload("spring/3.jpg")
    world.pump()


def a_refit(world: World) -> None:
    world.preparing = True
    world.upload("spring/1.jpg")
    world.pump()
    world.preparing = False
    world.pca_version = 2
    world.upload("autumn/1.jpg")
    world.pump()


def a_job_that_fails_once(world: World) -> None:
    world.job_fails = lambda attempt: attempt == 1
    world.upload("spring/1.jpg")
    world.pump()


def a_job_that_fails_twice(world: World) -> None:
    world.job_fails = lambda attempt: True
    world.upload("spring/1.jpg")
    world.pump()


def an_empty_batch(world: World) -> None:
    world.upload("spring/_READY", b"")
    world.pump()


def a_small_batch(world: World) -> None:
    """In the function; after a fault there, on Spark."""
    os.environ["SMALL_BATCH_IMAGES"] = "10"  # as `new_world` has set it, it is taken back
    world.upload("spring/1.jpg")
    world.upload("spring/broken.jpg")
    world.pump()
    left = world.record("spring")
    if left.state == State.RUNNING:  # whoever worked it has died, and its time passes
        world.runs.change(left, works_until=1.0)
        world.reconcile()
        world.pump()


SCENARIOS: list[Scenario] = [
    a_batch_and_a_top_up,
    a_refit,
    a_job_that_fails_once,
    a_job_that_fails_twice,
    an_empty_batch,
    a_small_batch,
]
named = pytest.mark.parametrize(
    "scenario",
    [pytest.param(scenario, id=scenario.__name__,
                  marks=[] if scenario is a_batch_and_a_top_up else pytest.mark.long)
     for scenario in SCENARIOS],
)  # fmt: skip


def played(
    scenario: Scenario, folder: Path, forks: Forks | None = None, **changes: Any
) -> tuple[dict[str, Any], list[str]]:
    """The end state, and the calls that led there."""
    folder.mkdir()
    with new_world(folder) as world:
        for name, value in changes.items():
            setattr(world, name, value)
        if forks:
            forks.world, world.on_call = world, forks.on_call
        scenario(world)
        assert world.runs.latest("spring") is not None
        state = world.end_state()
        if forks:
            forks.end(state)
        return state, world.calls


def planted(call: int) -> bool:
    """Whether a call gets a fault: every seventh, and with `make faults` every one."""
    return call % 7 == 0 or bool(os.environ.get("DARKROOM_EVERY_FAULT"))


@dataclass
class Forks:
    """At AWS calls the process splits: one goes on, in the other the call's caller fails.

    So every fault meets the very state that the undisturbed run had there.
    """

    folder: Path
    children: list[int] = field(default_factory=list)
    calls: int = 0
    split: bool = False
    world: World | None = None

    def on_call(self, name: str) -> None:
        if self.split:
            return
        self.calls += 1
        if not planted(self.calls):
            return
        if len(self.children) >= (os.cpu_count() or 1):
            os.waitpid(self.children.pop(0), 0)
        child = os.fork()
        if child:
            self.children.append(child)
            return
        self.split = True
        assert self.world is not None
        self.world.emr.file = self.folder / f"{self.calls}.json"  # the other goes on with its own
        raise PlantedError(name)

    def end(self, state: dict[str, Any]) -> None:
        """In a child, leave the end state behind and be gone."""
        if self.split:
            (self.folder / f"{self.calls}.pickle").write_bytes(pickle.dumps(state))
            os._exit(0)
        for child in self.children:
            os.waitpid(child, 0)


@named
def test_a_fault_after_any_call_changes_nothing(
    scenario: Scenario,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read_in_order(monkeypatch)
    forks = Forks(tmp_path)
    try:
        undisturbed, calls = played(scenario, tmp_path / "world", forks)
    except BaseException:
        if forks.split:
            (tmp_path / f"{forks.calls}.error").write_text(traceback.format_exc())
            os._exit(1)
        raise
    assert forks.calls == len(calls) > 10
    points = [point for point in enumerate(calls, 1) if planted(point[0])]
    for number, name in points:
        left = tmp_path / f"{number}.pickle"
        assert left.exists(), f"call {number}, {name}: {(tmp_path / f'{number}.error').read_text()}"
        assert pickle.loads(left.read_bytes()) == undisturbed, f"fault after call {number}, {name}"
    with capsys.disabled():
        print(
            f"\n{scenario.__name__}: {len(points)} faults in {len(calls)} AWS calls, one end state"
        )


@named
@pytest.mark.parametrize(
    "changes", [{"deliveries": 2}, {"backwards": True}, {"deliveries": 2, "backwards": True}],
    ids=["twice", "backwards", "both"],
)  # fmt: skip
def test_events_may_come_twice_and_in_any_order(
    scenario: Scenario, changes: dict[str, Any], tmp_path: Path
) -> None:
    undisturbed, _ = played(scenario, tmp_path / "undisturbed")
    state, _ = played(scenario, tmp_path / "disturbed", **changes)
    assert state == undisturbed


def test_what_no_event_told_of_is_found_by_the_schedule(world: World) -> None:
    world.upload("spring/1.jpg")
    world.deliver("uploads")
    for _ in range(6):  # each message between the functions, and each job event, is lost
        world.lose_messages()
        world.finish_jobs(tell=False)
        world.reconcile()
        world.deliver("submit")
        world.deliver("catalog")
    assert world.record("spring").state == State.DONE


def test_a_stack_at_rest_tells_no_metric(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Each costs by the hour."""
    world.upload("spring/1.jpg")
    world.pump()
    capsys.readouterr()
    world.reconcile()
    assert "_aws" not in capsys.readouterr().out


def test_the_schedule_counts_runs_over_their_limit(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.upload("spring/1.jpg")
    world.deliver("uploads")
    world.deliver("submit")
    record = world.record("spring")
    world.runs.change(record, changed_at=record.changed_at - 61 * 60)
    world.reconcile()
    assert '"RunsOverLimit":[1.0]' in capsys.readouterr().out
