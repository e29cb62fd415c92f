"""Work under way while its results are used, which come in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

_END: Final = object()


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


def made_ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The items, made one by one on a thread of their own, up to `depth` ahead.

    >>> list(made_ahead((letter.upper() for letter in "abc"), 2))
    ['A', 'B', 'C']
    """
    making = iter(items)
    pool = ThreadPoolExecutor(1)
    try:
        ahead = deque(pool.submit(next, making, _END) for _ in range(depth))
        while (item := ahead.popleft().result()) is not _END:
            ahead.append(pool.submit(next, making, _END))
            yield item  # type: ignore[misc]
    finally:
        pool.shutdown(cancel_futures=True)
