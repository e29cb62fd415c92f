"""Several reads under way at once, their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def read_ahead(
    read: Callable[[Item], Outcome], items: Iterable[Item], depth: int
) -> Iterator[Outcome]:
    """`map(read, items)` on threads, `depth` items ahead: a store's latency is waited for once.

    >>> list(read_ahead(str.upper, ["a", "b", "c"], 2))
    ['A', 'B', 'C']
    """
    with ThreadPoolExecutor(depth) as pool:
        waiting = iter(items)
        ahead = deque(pool.submit(read, item) for item in islice(waiting, depth))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(read, item) for item in islice(waiting, 1))
