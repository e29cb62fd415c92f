from collections.abc import Iterator
from pathlib import Path

import pytest

from darkroom.cli import local
from darkroom.cli.stack import Stack
from tests.functions.conftest import world
from tests.local_stack import local_stack

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
def cloud(stack: Stack, folder: Path) -> local.LocalCloud:
    return local.require(folder / "state")
