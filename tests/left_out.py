"""The last words of `make test`: which tests were left out, and what adds them."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "build" / "left_out"


class Recorder:
    """A pytest plugin that notes why tests are skipped, one file a process."""

    def __init__(self, name: str) -> None:
        self.name, self.reasons = name, Counter[str]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count each skipped test by its reason."""
        if report.skipped and isinstance(report.longrepr, tuple):
            self.reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1

    def pytest_sessionfinish(self) -> None:
        """Leave the counts for `main`, if somebody asked for them."""
        if FOLDER.is_dir():
            lines = [reason for reason, count in self.reasons.items() for _ in range(count)]
            (FOLDER / self.name).write_text("\n".join(lines))


def main(words: list[str]) -> None:
    """`begin` before the tests, `tell` after them."""
    if words == ["begin"]:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for file in FOLDER.iterdir():
            file.unlink()
        return
    told = [line for file in FOLDER.iterdir() for line in file.read_text().splitlines()]
    for reason, count in Counter(told).most_common():
        print(f"{count} tests were left out: {reason}")
    if not told:
        print("no test was left out")


if __name__ == "__main__":
    main(sys.argv[1:])
