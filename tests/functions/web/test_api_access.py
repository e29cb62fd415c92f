"""Who may ask the API, and that it is as described."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import openapi

from functions import api_function as api
from functions.web.gateway import PUBLIC
from functions.web.openapi import document
from local_cloud.front_door import FrontDoor
from tests.functions.cloud.world import World
from tests.functions.web.api_client import ask
from tests.project import template

UNKNOWN = [{}, {"jwt": {"claims": {}}}, {"iam": {"userArn": ""}}, None]


def routes() -> list[tuple[str, str]]:
    return [(method, route) for route, methods in api.app.routes.items() for method in methods]


def address(route: str) -> str:
    known = {"batch": "spring", "run": "1", "part": "part-00000", "file": "app.js"}
    return re.sub(r"\{(\w+)\}", lambda found: known[found[1]], route)


def test_every_route_refuses_who_has_not_signed_in(world: World) -> None:
    for (method, route), authorizer in product(routes(), UNKNOWN):
        answer = ask(world, address(route), method, {}, authorizer=authorizer)
        if route in PUBLIC:
            assert answer.status == 200, route
            continue
        program = ask(world, f"/programs{address(route)}", method, {}, authorizer=authorizer)
        assert (answer.status, program.status) == (401, 401), (route, authorizer)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.told["detail"] == "sign in first"
    assert not [call for call in world.calls if "DynamoDB" in call]


def test_a_sign_in_is_no_good_for_programs_routes_nor_iam_for_the_pages(images: World) -> None:
    person, program = {"jwt": {"claims": {"sub": "me"}}}, {"iam": {"userArn": "arn:aws:iam::1:me"}}
    assert ask(images, "/api/batches", authorizer=person).status == 200
    assert ask(images, "/programs/api/batches", authorizer=program).status == 200
    assert ask(images, "/programs/api/batches", authorizer=person).status == 401
    assert ask(images, "/api/batches", authorizer=program).status == 401


def test_api_gateway_asks_for_a_sign_in_on_all_but_the_page() -> None:
    resources = template()["Resources"].values()
    found = {
        resource["Properties"]["RouteKey"]: resource["Properties"].get("AuthorizationType", "NONE")
        for resource in resources
        if resource["Type"] == "AWS::ApiGatewayV2::Route"
    }
    open_to_all = {key for key, kind in found.items() if kind == "NONE"}
    assert open_to_all == {f"GET {route}" for route in PUBLIC}
    assert found["ANY /api/{proxy+}"] == "JWT"
    assert found["ANY /programs/{proxy+}"] == "AWS_IAM"
    assert all(route in PUBLIC or route.startswith("/api/") for route in api.app.routes)


def test_the_page_comes_from_here_alone(world: World) -> None:
    page = ask(world, "/")
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    hosts = re.findall(r"https?://([^\s;]+)", policy)
    assert all(host.endswith(".amazonaws.com") or host == "sign-in.example" for host in hosts)
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page.body)
    again = ask(world, "/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status, again.body) == (304, "")


def test_long_answers_are_packed(images: World) -> None:
    plain = ask(images, "/page/style.css")
    packed = ask(images, "/page/style.css", headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.body == plain.body


def test_the_description_names_every_route() -> None:
    described = {
        (method.upper(), path) for path, item in document()["paths"].items() for method in item
    }
    assert described == {(method, route) for method, route in routes() if route not in PUBLIC}


@pytest.fixture
def server(images: World) -> Iterator[str]:
    """The API on a port of this machine, with the function behind it."""

    class Functions:
        def invoke(self, **asked: str) -> dict[str, Any]:
            answer = api.handler(json.loads(asked["Payload"]), images.context)
            return {"Payload": _Bytes(json.dumps(answer).encode())}

    door = FrontDoor(0, Functions(), "darkroom-api")
    door.start()
    yield f"http://{door.host}"
    door.stop()


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.read = lambda: data


@pytest.mark.filterwarnings("ignore")
def test_answers_are_as_described(server: str) -> None:
    """Whatever is asked: generated from the description, valid and not."""
    schema = openapi.from_dict(
        {**document(), "security": []}
    )  # the front door lets this machine in
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=15, deadline=None, derandomize=True,
                  phases=[Phase.explicit, Phase.generate],
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        def answers(case: Any) -> None:
            case.call_and_validate(base_url=server)

        answers()
