"""Who asks the local cloud, and whether they may: the roles of its stacks, and users of its IAM."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any

from darkroom.errors import DarkroomError
from local_cloud.access.asks import Ask, Call, Place
from local_cloud.access.decisions import ALLOWED, Decisions, Principal
from local_cloud.access.notes import note, note_stack
from local_cloud.access.of_stack import Resource, StackAccess, access_of
from local_cloud.access.signatures import Refusal


@dataclass(frozen=True)
class Guard:
    """Knows the keys of this cloud. `secret` belongs to the owner's key, whose access key is the
    account's number: who has it may do everything."""

    account: str
    region: str
    secret: str

    def keys_of_role(self, arn: str) -> dict[str, str]:
        """Environment for a process that works with a role."""
        from ministack.services import iam

        found = [name for (_, name), role in iam._roles._data.items() if role["Arn"] == arn]
        if not found:
            raise DarkroomError(f"there is no role {arn}")
        key = _session_key(found[0])
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": self._derived(key)}

    def secret_of(self, access_key: str) -> str | None:
        """Of the owner, a role or a user; None for a key that this cloud has not made."""
        if access_key == self.account:
            return self.secret
        role = _session_keys().get(access_key)
        if role is not None:
            secret = self._derived(access_key)
            _make_known(access_key, secret, self._session(role))
            return secret
        user = _user(self.account, access_key)
        return str(user["SecretAccessKey"]) if user else None

    def is_owner(self, access_key: str) -> bool:
        """Who may do everything, also what ministack alone knows."""
        return access_key == self.account

    def require(self, access_key: str, call: Call) -> None:
        """Raises `Refusal` where the call needs what its principal may not."""
        place = Place(self.region, self.account, _stacks().keys)
        try:
            asks = place.asks(call)
        except LookupError as unknown:
            raise _denied(f"nobody knows what permission it needs: {unknown}") from unknown
        if not asks:
            raise _denied("nobody knows what permission it needs")
        self._require(access_key, asks)

    def may_know_it_is_missing(self, access_key: str, call: Call) -> bool:
        """Whether S3 tells that an object is not there; else it says that access is denied."""
        place = Place(self.region, self.account, _stacks().keys)
        try:
            self._require(access_key, place.when_missing(call))
        except Refusal:
            return False
        return True

    def _require(self, access_key: str, asks: list[Ask]) -> None:
        who = self._principal(access_key)
        decisions = Decisions(self.region, self.account, _policy_of)
        note(who.arn.split("/")[1], asks)
        for ask in map(_tagged, asks):
            if decisions.decide(who, ask) != ALLOWED:
                raise _denied(
                    f"User: {who.arn} is not authorized to perform: {ask.action} on resource: "
                    f"{ask.resource}"
                )

    def _principal(self, access_key: str) -> Principal:
        from ministack.core import iam_evaluator

        role = _session_keys().get(access_key)
        if role is not None:
            return Principal(
                self._session(role), iam_evaluator._gather_role_policies(role, self.account)
            )
        found = iam_evaluator.resolve_principal(access_key, self.account)
        if isinstance(found, iam_evaluator.AuthError) or found.policies is None:
            raise _denied("this cloud does not know that key")
        return Principal(found.arn, found.policies)

    def _session(self, role: str) -> str:
        return f"arn:aws:sts::{self.account}:assumed-role/{role}/darkroom"

    def _derived(self, access_key: str) -> str:
        return hmac.new(self.secret.encode(), access_key.encode(), hashlib.sha256).hexdigest()


def _tagged(ask: Ask) -> Ask:
    """With a key's tags, which policies name keys by."""
    if not ask.action.startswith("kms:"):
        return ask
    from ministack.services.tagging import resource_tags

    tags = (resource_tags(ask.resource) or {}).items()
    stated = tuple((f"aws:resourcetag/{name}".lower(), value) for name, value in tags)
    return replace(ask, context=(*ask.context, *stated))


@cache
def _session_key(role: str) -> str:
    return f"ASIA{hashlib.sha256(role.encode()).hexdigest()[:16].upper()}"


def _session_keys() -> dict[str, str]:
    """The role of each session key."""
    from ministack.services import iam

    return {_session_key(role): role for _, role in list(iam._roles._data)}


def _make_known(access_key: str, secret: str, arn: str) -> None:
    """To ministack, which looks at the keys of links and forms by itself."""
    from ministack.services import sts

    if access_key not in sts._sessions:
        told = {"Arn": arn, "UserId": access_key, "SecretAccessKey": secret}
        sts.register_session(access_key, told)


def _stacks() -> StackAccess:
    """What all stacks together say about access."""
    from ministack.services import cloudformation

    stacks = list(cloudformation._stacks._data.values())
    state = tuple((s["StackId"], s["StackStatus"], len(s["_resources"]),
                   s.get("LastUpdatedTime")) for s in stacks)  # fmt: skip
    return _read(state)


@lru_cache(maxsize=1)
def _read(state: object) -> StackAccess:
    """Once for each state that the stacks are in."""
    resources = list(_resources())
    note_stack(resources)
    return access_of(resources)


def _resources() -> Iterator[Resource]:
    from ministack.services import cloudformation

    for stack in list(cloudformation._stacks._data.values()):
        for made in list(stack["_resources"].values()):
            if made.get("PhysicalResourceId"):
                yield _resource(made)


def _resource(made: dict[str, Any]) -> Resource:
    kind, number = made["ResourceType"], made["PhysicalResourceId"]
    arn = number if number.startswith("arn:") else made.get("Attributes", {}).get("Arn", "")
    return Resource(made["LogicalResourceId"], kind, number, arn, made.get("Properties", {}))


def _policy_of(arn: str) -> Any:
    """A resource's own policy, as it is now."""
    from ministack.core import iam_evaluator

    found = iam_evaluator._resource_policy([*arn.split(":"), "", ""][2], arn)
    return found[0] or None if found else None


def _user(account: str, access_key: str) -> dict[str, Any] | None:
    from ministack.services import iam

    found: dict[str, Any] | None = iam._access_keys.get_scoped(account, None, access_key)
    return found


def _denied(message: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, "AccessDenied", message)
