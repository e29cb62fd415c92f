"""Many objects at once, with progress; an interrupted transfer goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from tqdm import tqdm

from cli.on_stack.stack import CONNECTIONS
from darkroom.printable import printable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def in_parallel(
    work: Callable[[Item], Outcome], items: Sequence[Item], what: str
) -> Iterable[Outcome]:
    """`work` on each item, a few at a time, with a progress bar; outcomes as they come.

    The first error ends it, after the transfers under way.
    """
    with (
        ThreadPoolExecutor(CONNECTIONS) as pool,
        tqdm(
            total=len(items), desc=printable(what), unit=" files", leave=False, disable=None
        ) as bar,
    ):
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
                bar.update()
        finally:
            for future in futures:
                future.cancel()
