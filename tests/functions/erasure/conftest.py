import pytest

from tests.functions.cloud.world import World
from tests.functions.erasure.two_batches import build


@pytest.fixture
def corpus(world: World) -> World:
    return build(world)
