"""Many requests at once at the local front door: each gets an answer, and an honest one."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from urllib3 import PoolManager, Retry

from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from functions.runs.records import State
from local_cloud import control, front_door
from local_cloud.front_door import FrontDoor, Line
from tests.conftest import jpeg
from tests.waiting import PATIENCE_SECONDS, finished, in_state

_AT_ONCE = 50


class Functions:
    """Lambda that takes its time, and knows how often it is asked at once."""

    def __init__(self) -> None:
        self.inside = self.most = 0
        self.go_on = threading.Event()
        self.lock = threading.Lock()

    def invoke(self, **asked: Any) -> Any:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.go_on.wait()
        with self.lock:
            self.inside -= 1
        answer = {"statusCode": 200, "headers": {}, "body": "{}"}
        return {"Payload": _Body(json.dumps(answer).encode())}


class _Body:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self) -> bytes:
        return self.data


def test_few_are_let_in_and_those_at_the_end_of_the_line_are_told_so() -> None:
    functions = Functions()
    door = FrontDoor(0, functions, "api", Line(at_once=3, waiting=7, seconds=PATIENCE_SECONDS))
    door.start()
    statuses: Counter[int] = Counter()
    later: list[str] = []

    def ask(_: int) -> None:
        answer = PoolManager(retries=False).request("GET", f"http://{door.host}/api/batches")
        statuses[answer.status] += 1
        if answer.status == 503:
            later.append(answer.headers["Retry-After"])
            if len(later) == 30:
                functions.go_on.set()

    try:
        with ThreadPoolExecutor(40) as pool:
            list(pool.map(ask, range(40)))
    finally:
        door.stop()
    assert statuses == {200: 10, 503: 30}
    assert set(later) == {"2"}
    assert functions.most == 3


def test_who_waits_too_long_is_told_so() -> None:
    functions = Functions()
    door = FrontDoor(0, functions, "api", Line(at_once=1, waiting=1, seconds=0.05))
    door.start()
    try:
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(PoolManager(retries=False).request, "GET", f"http://{door.host}/")
                     for _ in range(2)]  # fmt: skip
            while not any(one.done() for one in asked):
                time.sleep(0.01)
            functions.go_on.set()
        assert sorted(one.result().status for one in asked) == [200, 503]
    finally:
        door.stop()


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"POST /api/x HTTP/1.1\r\nHost: {host}\r\n"
                                  b"Content-Length: 10\r\n\r\nhalf"],
                         ids=["nothing", "half-a-line", "half-a-body"])  # fmt: skip
def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(front_door._Handler, "timeout", 0.1)
    door = FrontDoor(0, Functions(), "api")
    door.start()
    try:
        with socket.create_connection(("127.0.0.1", door.port)) as silent:
            silent.sendall(said.replace(b"{host}", door.host.encode()))
            assert silent.recv(1000) == b""
    finally:
        door.stop()


@pytest.mark.long
def test_fifty_at_once_while_a_job_runs_are_all_answered(
    stack: Stack, cloud: control.LocalCloud
) -> None:
    for number in range(12):
        put_bytes(stack, f"busy/{number}.jpg", jpeg(number))
    put_bytes(stack, "busy/_READY", b"")
    in_state(stack, "busy", State.RUNNING)
    again = Retry(
        total=1000, status_forcelist=[503], backoff_factor=0, respect_retry_after_header=True
    )
    pool = PoolManager(maxsize=_AT_ONCE, retries=again, timeout=PATIENCE_SECONDS)
    addresses = ["/api/batches", "/api/map?batch=busy", "/", "/config.json", "/api/batches/busy"]

    def ask(number: int) -> int:
        return pool.request("GET", cloud.page + addresses[number % len(addresses)]).status

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        statuses = Counter(threads.map(ask, range(3 * _AT_ONCE)))
    assert statuses == {200: 3 * _AT_ONCE}
    assert finished(stack, "busy").processed == 12
