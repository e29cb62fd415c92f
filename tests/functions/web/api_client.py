"""Asking the API as API Gateway does."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from functions import api_function as api
from functions.runs.records import State
from local_cloud.front_door import event_of
from tests.functions.cloud.world import World
from tests.functions.erasure.corpus import really

HOSTILE = "<img src=x onerror=alert(1)>"
NAMES = ["spring/apple/<script>.jpg", 'spring/apple/"quoted", comma.jpg', "spring/Pêche/é 1.jpg",
         "spring/Pêche/2.jpg", "spring/Pêche/copy.jpg"]  # fmt: skip


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def told(self) -> Any:
        return json.loads(self.body)


def ask(world: World, target: str, method: str = "GET", body: Any = None, **event: Any) -> Answer:
    headers = {"Content-Type": "application/json", **event.pop("headers", {})}
    data = json.dumps(body).encode() if body is not None else b""
    asked = event_of(method, target, headers, data)
    asked["requestContext"].update(event)
    with world.handling("ApiRole"):
        answer = api.handler(asked, world.context)
    raw = answer["body"]
    if answer.get("isBase64Encoded"):
        raw = gzip.decompress(b64decode(raw)).decode()
    return Answer(answer["statusCode"], answer["headers"], raw)


def fill(world: World) -> World:
    """A batch with two labels and a copy, a broken image, and a batch with a hostile name."""
    world.job = really
    for number, name in enumerate(NAMES):
        world.upload(name, b"copied" if number > 2 else b"%d" % number)
    world.upload("spring/apple/broken.jpg", b"broken")
    world.upload(f"{HOSTILE}/1.jpg", b"hostile")
    world.pump()
    assert {record.state for record in world.runs.every()} == {State.DONE}
    return world
