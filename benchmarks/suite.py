"""How long `make test` takes: by itself, and beside busy loops. `python -m benchmarks.suite`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import monotonic

from benchmarks.record import save

_ROUNDS = 3
_LOOPS = 4
METHOD = f"""\
`make test` in a checkout that is set up, {_ROUNDS} times one after another on a machine that does
nothing else, and once beside {_LOOPS} endless loops in Python. Wall clock, of the whole command."""


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Beside so many endless loops."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for loop in spinning:
            loop.kill()
            loop.wait()


def _taken() -> float:
    began = monotonic()
    subprocess.run(["make", "test"], check=True, stdout=subprocess.DEVNULL)
    return round(monotonic() - began, 1)


def main() -> None:
    """Time it, and keep the numbers."""
    alone = [_taken() for _ in range(_ROUNDS)]
    with busy(_LOOPS):
        beside = _taken()
    numbers = {
        "rounds_seconds": alone, "median_seconds": median(alone), "beside_loops_seconds": beside,
    }  # fmt: skip
    save("suite", METHOD, numbers)


if __name__ == "__main__":
    main()
