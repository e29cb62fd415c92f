from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functions.cloud.resources import new_world
from tests.functions.cloud.world import World
from tests.functions.web.api_client import fill


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with new_world(tmp_path) as made:
        yield made


@pytest.fixture
def images(world: World) -> World:
    """Two batches for the API to tell of."""
    return fill(world)
