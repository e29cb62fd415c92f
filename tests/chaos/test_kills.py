"""`kill -9` at each moment of a run's life: every key ends in one place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from functions.runs.records import FINISHED, UNFINISHED, State
from tests.chaos.accounts import assert_all_accounted
from tests.conftest import jpeg
from tests.stack.local_stack import darkroom, kill, local_stack
from tests.waiting import PATIENCE_SECONDS, finished, in_state

pytestmark = [pytest.mark.long, pytest.mark.own_cloud]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a local cloud of its own, which dies again and again."""
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    with local_stack(folder) as made:
        yield made


_MOMENTS = (State.OPEN, State.SEALED, State.SUBMITTED, State.RUNNING, State.SUCCEEDED)


def test_a_run_outlives_a_kill_in_each_of_its_states(stack: Stack, folder: Path) -> None:
    keys = [f"storm/apple/{number}.jpg" for number in range(12)]
    for number, key in enumerate(keys):
        put_bytes(stack, key, jpeg(number))
    put_bytes(stack, "storm/broken.jpg", b"\xff\xd8\xffno picture")
    put_bytes(stack, "storm/notes.txt", b"no image")
    stack = kill(folder)  # right after the last upload was answered
    put_bytes(stack, "storm/late.jpg", jpeg(200))
    stack = kill(folder)
    for moment in _MOMENTS:
        later = UNFINISHED[UNFINISHED.index(moment) :]
        in_state(stack, "storm", *later, *FINISHED)
        stack = kill(folder)
    finished(stack, "storm")
    records = list(stack.runs.of_batch("storm"))
    everything = [*keys, "storm/broken.jpg", "storm/notes.txt", "storm/late.jpg"]
    assert_all_accounted(stack.results, records, everything)
    assert sum(record.missing or 0 for record in records) == 0
    assert sum(record.processed or 0 for record in records) == 13


def test_what_lies_in_the_queues_is_told(stack: Stack) -> None:
    sqs = boto3.client("sqs")
    (dead,) = (url for url in stack.dead_letters if url.endswith("-uploads-dead-letters"))
    sqs.send_message(QueueUrl=dead, MessageBody="not an S3 notification")
    told = darkroom("status").stdout
    assert "1 messages of the queue uploads failed, and wait as dead letters" in told
    assert "`darkroom redrive`" in told
    sqs.purge_queue(QueueUrl=dead)


_HIDDEN = """
import time
from local_cloud import ministack_fixes as fixes
from ministack.services import sqs
sqs._act_create_queue({"QueueName": "uploads"}, "")
url = next(iter(sqs._queues))
queue = sqs._get_q(url)
def message(**told):
    return {"id": "1", "body": "x", "receipt_handle": None, "visible_at": 0, "receive_count": 0,
            "sent_at": time.time(), **told}
later = time.time() + 360
queue["messages"][:] = [message(receipt_handle="taken", visible_at=later, receive_count=1),
                        message(visible_at=later), message()]
fixes.show_what_nobody_works_on()
print([entry["visible_at"] > time.time() for entry in queue["messages"]])
"""


def test_what_a_killed_cloud_had_taken_is_there_for_the_next_at_once(tmp_path: Path) -> None:
    """Its functions are gone, but the queue hides what they had for six times their time limit. A
    timer that was sent with a delay stays hidden."""
    environment = {**os.environ, "STATE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _HIDDEN], capture_output=True, text=True, env=environment,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "[False, True, False]", done.stderr[-2000:]
