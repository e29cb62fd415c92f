import pytest

from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from tests.conftest import jpeg
from tests.functions.conftest import world

__all__ = ["picture", "world"]


@pytest.fixture(scope="session")
def picture(stack: Stack) -> None:
    """Of an open batch."""
    put_bytes(stack, "port/1.jpg", jpeg(1))
    put_bytes(stack, "port/_READY", b'{"images": 1000}')
