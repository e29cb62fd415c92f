"""An erasure is killed after every AWS call in turn, in the functions and in the job: one end."""

from __future__ import annotations

import json
import os
import pickle
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from darkroom import manifest
from darkroom.erasure.request import Selector
from functions.runs.records import State
from tests.functions.cloud.in_order import read_in_order
from tests.functions.cloud.resources import new_world
from tests.functions.cloud.world import STACK_TABLES, World
from tests.functions.erasure.corpus import ask, really
from tests.functions.erasure.two_batches import COPY, GONE, traces
from tests.functions.faults.test_faults import Forks, planted

pytestmark = pytest.mark.long

_MOVING = {"job", "job_share", "cost", "vcpu_hours", "memory_gb_hours", "storage_gb_hours",
           "revision", "opened_at", "changed_at", "last_upload_at", "sealed_at", "submitted_at",
           "client_token", "job_run_id", "uploads", "size_bytes", "parts"}  # fmt: skip
_OF_ATTEMPTS = {"attempt", "give_up_after", "billed_attempt", "vcpu_hours", "memory_gb_hours",
                "storage_gb_hours", "cost"}  # fmt: skip


def small_corpus(world: World) -> None:
    """Two batches with a copy between them, and an older version; two PCA versions."""
    world.job = really
    world.preparing = True
    world.upload(GONE, b"older")
    world.upload("spring/1.jpg", b"one")
    world.upload(GONE, b"two")
    world.pump()
    world.pca_version = 2
    world.upload(COPY, b"two")
    world.upload("autumn/5.jpg", b"five")
    world.pump()
    world.preparing = False


def a_key(world: World) -> None:
    ask(world, "20-r1", Selector("keys", (GONE,)))


def a_batch_and_a_run_that_waits(world: World) -> None:
    world.upload("autumn/6.jpg", b"six")
    world.deliver("uploads")
    ask(world, "20-r1", Selector("batch", ("spring",)))


def changes(name: str) -> bool:
    """Whether an AWS call of this name changes anything."""
    return not name.startswith(("Get", "List", "Head", "Query", "Scan", "Receive"))


def end_state(world: World) -> dict[str, Any]:
    """All that is stored, without moments in time, random salts and how often was tried."""
    records = {
        record.key: {
            name: value
            for name, value in vars(record).items()
            if name not in _MOVING | (_OF_ATTEMPTS if "/" in record.batch else set())
        }
        for record in world.runs.every()
    }
    stored = {key: _comparable(key, world.results.read(key)) for key in world.results.list("")}
    uploads = world.s3.list_object_versions(Bucket="uploads").get("Versions", [])
    logs = len(world.s3.list_objects_v2(Bucket="artifacts").get("Contents", []))
    view = boto3.client("glue").get_table(DatabaseName="darkroom", Name="features_pca")["Table"]
    return {
        "records": records,
        "stored": stored,
        "uploads": sorted(version["Key"] for version in uploads),
        "logs": logs,
        "catalog": {table: world.partitions(table) for table in STACK_TABLES},
        "view": view["Parameters"]["pca_version"],
        "traces": traces(world, GONE, COPY),
    }


def _comparable(key: str, data: bytes) -> object:
    if key == "erasures/block-list.json":
        told = json.loads(data)
        return len(told["contents"]), len(told["uploads"])
    if key.startswith("erasures/"):
        told = json.loads(data)
        for moving in ("finished_at", "signature", "upload_version_ids"):
            del told[moving]
        return told
    if key.endswith(".gz"):
        return [entry.key for entry in manifest.unpack(data)]
    return re.sub(rb'"(started|finished)_at": "[^"]*"|"seconds": {[^}]*}', b"", data)


@pytest.mark.parametrize(
    ("scenario", "split_at"),
    [
        pytest.param(a_key, lambda name: True, id="a-key-each-call"),
        # what was only read leaves the state of the call before
        pytest.param(a_batch_and_a_run_that_waits, changes, id="a-batch-each-change"),
    ],
)
def test_an_erasure_that_is_killed_anywhere_is_finished(
    scenario: Callable[[World], None],
    split_at: Callable[[str], bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read_in_order(monkeypatch)
    forks = Forks(tmp_path)
    names: list[str] = []

    def on_call(name: str) -> None:
        if not split_at(name):
            return
        if not forks.split:
            names.append(name)
        forks.on_call(name)

    try:
        with new_world(tmp_path) as world:
            small_corpus(world)
            forks.world, world.on_call = world, on_call
            scenario(world)
            world.pump()
            undisturbed = end_state(world)
            forks.end(undisturbed)
    except BaseException:
        if forks.split:
            (tmp_path / f"{forks.calls}.error").write_text(traceback.format_exc())
            os._exit(1)
        raise
    assert undisturbed["traces"] == []
    assert {record["state"] for record in undisturbed["records"].values()} == {State.DONE}
    assert forks.calls == len(names) > 60
    points = [point for point in enumerate(names, 1) if planted(point[0])]
    for number, name in points:
        left = tmp_path / f"{number}.pickle"
        assert left.exists(), f"call {number}, {name}: {(tmp_path / f'{number}.error').read_text()}"
        found = pickle.loads(left.read_bytes())
        for place, value in undisturbed.items():
            assert found[place] == value, f"{place} after a fault at call {number}, {name}"
    with capsys.disabled():
        print(
            f"\n{scenario.__name__}: killed at {len(points)} of {len(names)} calls, one end state"
        )
