"""Whether a principal has a permission: by its policies and those of the resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_cloud.access.asks import Ask

ALLOWED = "Allow"


@dataclass(frozen=True)
class Principal:
    """A role or a user with its policies, each as ministack's list of statements."""

    arn: str
    policies: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Decisions:
    """Decides in one account and region. `policy_of` gives the policy of a resource (a bucket,
    queue, topic or key, by its ARN), if it has one."""

    region: str
    account: str
    policy_of: Callable[[str], Mapping[str, Any] | str | None]

    def decide(self, principal: Principal, ask: Ask) -> str:
        """`Allow`, `Deny` (by a statement) or `ImplicitDeny` (by none that allows)."""
        from ministack.core import iam_evaluator as evaluator

        if ask.action in evaluator._ALWAYS_ALLOWED_ACTIONS:  # GetCallerIdentity, for example
            return ALLOWED
        context = evaluator.EvalContext(
            principal_arn=principal.arn,
            principal_type="User" if ":user/" in principal.arn else "AssumedRole",
            principal_account=self.account,
            action=ask.action,
            resource_arn=ask.resource,
            region="us-east-1" if ask.action.startswith("iam:") else self.region,
            secure_transport=True,
            service_context=dict(ask.context),
        )
        identity = evaluator.evaluate(context, principal.policies)
        policy = self.policy_of(_owner_of_policy(ask.resource))
        if policy is None:
            return str(identity.decision)
        key = ask.action.startswith("kms:")  # whose own policy has to allow, too
        combined = evaluator.combine_resource_policy(
            identity, context, policy, self.account, required=key
        )
        return str(combined.decision)


def _owner_of_policy(arn: str) -> str:
    """An object's is its bucket's."""
    return arn.partition("/")[0] if arn.startswith("arn:aws:s3:::") else arn
