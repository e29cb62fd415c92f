"""The stack of `template.yaml` on the local cloud."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cli.deploying.deploy import Deployment, deploy, is_deployed
from cli.on_stack.stack import Stack, open_stack
from local_cloud.control import LocalCloud


def deploy_locally(
    stack_name: str,
    cloud: LocalCloud,
    model: Path,
    quiet_seconds: int | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Stack:
    """The stack of `template.yaml` on a local cloud, with waits that suit one person; and with
    `more` parameters."""
    parameters = {**more, "MarkerSeconds": "3", "ReconcileMinutes": "2", "PageOrigin": cloud.page}
    if quiet_seconds or not is_deployed(stack_name):
        parameters["QuietSeconds"] = str(quiet_seconds or 10)
    deploy(Deployment(stack_name, cloud.region, model, parameters, archive=False, check=False))
    return open_stack(stack_name)
