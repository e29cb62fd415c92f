"""A run's manifest in parts, and the Parquet files that hold one part or several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from math import ceil

from darkroom.layout import Run, part_file
from darkroom.manifest import Entry

IsWhole = Callable[[Sequence[str], Sequence[Entry]], bool]

PART_IMAGES = (32, 256)
FILE_IMAGES = 12_800  # in one file in the end: 64 MB of features
_PARTS_OF_A_RUN = 128  # or fewer: so many that no core idles long at the end


def split(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """The manifest in parts, in order. It alone decides: another attempt, beside other runs or on
    other machines, has the same."""
    size = _part_size(len(entries))
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def _part_size(images: int) -> int:
    smallest, largest = PART_IMAGES
    return min(max(ceil(images / _PARTS_OF_A_RUN), smallest), largest)


def parts_of_files(images: int) -> Iterator[range]:
    """The numbers of the parts that share a file in the end, where there are several."""
    size = _part_size(images)
    parts, together = ceil(images / size), FILE_IMAGES // size
    for start in range(0, parts, together):
        if parts - start > 1:
            yield range(start, min(start + together, parts))


def merged_file(parts: range) -> str:
    """The name of the file of these parts."""
    return part_file(parts[0], parts[-1])


def what_is_left(
    entries: Sequence[Entry], run: Run, there: Collection[str], is_whole: IsWhole
) -> tuple[set[str], set[int]]:
    """Of the files `there`, those that an attempt that died has left as they should be; and the
    parts that need no further work, since they are merged: that is done after an account."""
    parts = split(entries)
    kept = {f"{folder}/{part_file(n)}" for folder in run.tables for n in range(len(parts))}
    kept.intersection_update(there)
    done: set[int] = set()
    for numbers in parts_of_files(len(entries)):
        single = {f: {f"{f}/{part_file(n)}" for n in numbers} & kept for f in run.tables}
        merged = {f: {f"{f}/{merged_file(numbers)}"}.intersection(there) for f in run.tables}
        counted = [key for f in run.counted for key in sorted(merged[f] or single[f])]
        if any(merged.values()) and is_whole(counted, list(chain(*(parts[n] for n in numbers)))):
            done.update(numbers)
            for folder in filter(merged.get, run.tables):
                kept = (kept - single[folder]) | merged[folder]
    return kept, done
