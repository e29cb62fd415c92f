"""The roles of `template.yaml`, proved both ways on what the suite has really asked for: nothing
that is needed is denied, and nothing is allowed that nobody needs.

`make check` runs it at its end, `make test` the first half. By itself it needs the notes of a run
of the others: `DARKROOM_NOTES=folder`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from ministack.core import iam_evaluator as evaluator

from darkroom.layout import TABLES
from local_cloud.access.asks import Ask
from local_cloud.access.decisions import ALLOWED, Decisions, Principal
from local_cloud.access.notes import FOLDER
from local_cloud.access.of_stack import access_of
from tests.permissions.asked import Asked, asked, by_lambda
from tests.permissions.stack import ACCOUNT, NAME, REGION, resolved, statements, template

pytestmark = pytest.mark.skipif(
    FOLDER not in os.environ, reason="proves what the rest of the suite asked for: `make test`"
)

RESOURCES = resolved(template())
ACCESS = access_of(RESOURCES)
DECISIONS = Decisions(REGION, ACCOUNT, ACCESS.policies.get)
LINES = {(statement.role, statement.index): statement.line for statement in statements()}
ROLES = sorted({role for role, _ in LINES})

RESULTS = next(r.arn for r in RESOURCES if r.logical_id == "Results")
# Allowed, and asked for by nobody here: each with its reason.
UNUSED = {
    ("JobRole", "s3:AbortMultipartUpload", f"{RESULTS}/{folder}/*"):
        "obstore takes back an upload in parts that broke off"
    for folder in TABLES
} | {
    ("JobRole", "s3:ListBucket", next(r.arn for r in RESOURCES if r.logical_id == "Artifacts")):
        "Spark's own file system, which fetches the job in AWS, may look for what it fetches"
}  # fmt: skip
# Asked for in some runs of the suite alone: where two jobs fit a version or bundle sums at the same
# moment, and where one finds what another has left of a run.
SOMETIMES = {(role, "s3:DeleteObject", f"{RESULTS}/pca/{made}")
             for role in ("JobRole", "SmallJobRole")
             for made in ("model=*", "sums/*", "total.npz")}  # fmt: skip
# Runs the code of the other: what that has asked for it may need as well.
SAME_CODE = {"SmallJobRole": "JobRole"}


@dataclass(frozen=True)
class Grant:
    """One action on one resource that a statement allows."""

    role: str
    index: int
    action: str
    resource: str

    def __str__(self) -> str:
        line = LINES[self.role, self.index]
        return f"template.yaml:{line} {self.role} {self.action} {self.resource}"


@cache
def everything() -> frozenset[Asked]:
    return frozenset({*asked(RESOURCES), *by_lambda(RESOURCES, ACCESS)})


@cache
def asks_of(role: str) -> tuple[Ask, ...]:
    return tuple(sorted((ask for who, ask in everything() if who == role), key=str))


def principal(role: str, inline: dict[str, Any] | None = None) -> Principal:
    """The role, or the same with other statements of its own."""
    own, *attached = ACCESS.roles[f"{NAME}-{role}"]
    documents = [inline or own, *attached]
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{NAME}-{role}/session"
    return Principal(arn, [evaluator.parse_policy_document(document) for document in documents])


def own(role: str) -> dict[str, Any]:
    return dict(ACCESS.roles[f"{NAME}-{role}"][0])


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def grants() -> Iterator[Grant]:
    for role in ROLES:
        for index, statement in enumerate(own(role)["Statement"]):
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield Grant(role, index, action, resource)


def without(grant: Grant) -> dict[str, Any]:
    """The role's statements, but for that one action on that one resource."""
    changed = deepcopy(own(grant.role))
    statement = changed["Statement"].pop(grant.index)
    for resource in listed(statement["Resource"]):
        actions = [action for action in listed(statement["Action"])
                   if (action, resource) != (grant.action, grant.resource)]  # fmt: skip
        if actions:
            changed["Statement"].append({**statement, "Action": actions, "Resource": resource})
    return changed


def test_every_function_and_job_has_asked() -> None:
    """Or the rest would prove nothing."""
    assert {role for role, _ in asked(RESOURCES)} == set(ROLES)


def test_nothing_that_is_needed_is_denied() -> None:
    denied = [
        f"{role} (template.yaml:{LINES[role, 0]}) may not {ask.action} on {ask.resource}"
        for role, ask in sorted(everything(), key=str)
        if DECISIONS.decide(principal(role), ask) != ALLOWED
    ]
    assert denied == []


@pytest.mark.long  # what `make test` leaves out has asked for some of them
def test_every_grant_is_needed() -> None:
    """Without any one of them something that was asked for is denied."""
    survivors = []
    for grant in grants():
        who = principal(grant.role, without(grant))
        if all(DECISIONS.decide(who, ask) == ALLOWED for ask in asks_of(grant.role)):
            survivors.append(grant)
    found = {(g.role, g.action, g.resource) for g in survivors}
    granted = {(g.role, g.action, g.resource) for g in grants()}
    shared = {
        (role, action, resource)
        for role, action, resource in found
        if (SAME_CODE.get(role), action, resource) in granted
    }
    assert sorted(found - set(UNUSED) - SOMETIMES - shared) == []
    assert found >= set(UNUSED)  # a reason for what is needed after all is none


@pytest.mark.parametrize("role", ROLES)
def test_no_role_acts_elsewhere(role: str) -> None:
    """Not in another region, whatever it is allowed, and it copies no bucket."""
    elsewhere = Decisions("us-east-1", ACCOUNT, ACCESS.policies.get)
    asks = [ask for ask in asks_of(role) if not ask.action.startswith("iam:")]
    assert {elsewhere.decide(principal(role), ask) for ask in asks} == {"Deny"}
    for action in ("s3:PutReplicationConfiguration", "s3:ReplicateObject"):
        assert DECISIONS.decide(principal(role), Ask(action, RESULTS)) == "Deny"


def test_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """Said at the end."""
    actions = {ask.action for _, ask in everything()}
    with capsys.disabled():
        print(f"\n{len(everything())} permissions asked for, {len(actions)} distinct actions; "
              f"{len(list(grants()))} granted")  # fmt: skip
