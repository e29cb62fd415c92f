"""The stack of `template.yaml` on a local cloud of its own, and the commands that work on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.deploying.locally import deploy_locally
from cli.on_stack.stack import Stack, open_stack
from cli.on_this_machine.home import home
from local_cloud import control
from tests.conftest import make_onnx
from tests.waiting import PATIENCE_SECONDS

NAME = "darkroom-test"
CORES = 2


@contextmanager
def local_stack(
    folder: Path, quiet_seconds: int = 3, name: str = NAME, **parameters: str
) -> Iterator[Stack]:
    """With its state in `folder`, and a backbone that is quick. This process talks to it."""
    before = dict(os.environ)
    model = folder / "model" / "mobilenet_v2.onnx"
    model.parent.mkdir(parents=True)
    model.write_bytes(make_onnx())
    cloud = control.start(folder / "state", home(), None, CORES)
    try:
        control.use(cloud)
        stack = deploy_locally(name, cloud, model, quiet_seconds, parameters)
        control.settled(cloud)
        yield stack
    finally:
        control.stop(folder / "state")
        os.environ.clear()
        os.environ.update(before)


def darkroom(*words: str) -> subprocess.CompletedProcess[str]:
    """The command on that stack."""
    command = [sys.executable, "-m", "cli.start", *words, "--stack", NAME]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


def aws(*words: str) -> str:
    """The AWS CLI."""
    command = [sys.executable, "-m", "awscli", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    return done.stdout


def kill(folder: Path) -> Stack:
    """`kill -9` of the cloud, then `up` again with the state that is on disk."""
    cloud = control.require(folder / "state")
    os.kill(cloud.pid, signal.SIGKILL)
    os.waitpid(cloud.pid, 0)
    assert control.start(folder / "state", home(), None, CORES).port == cloud.port
    return open_stack(NAME)
