import pytest

from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from tests.conftest import jpeg
from tests.functions.conftest import world

__all__ = ["picture", "world"]


@pytest.fixture(scope="session")
def picture(stack: Stack) -> None:
    """Of a batch that stays open, as all do that these tests write to: no job is needed."""
    for batch in ("port", "forms", "page"):
        put_bytes(stack, f"{batch}/_READY", b'{"images": 1000}')
    put_bytes(stack, "port/1.jpg", jpeg(1))
