from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.on_stack.stack import Stack
from local_cloud import control
from tests.functions.conftest import world
from tests.stack.local_stack import local_stack

__all__ = ["cloud", "folder", "stack", "world"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a local cloud; its state is below."""
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    with local_stack(folder) as made:
        yield made


@pytest.fixture(scope="module")
def cloud(stack: Stack, folder: Path) -> control.LocalCloud:
    return control.require(folder / "state")
