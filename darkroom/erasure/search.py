"""Where images stand in the results: rows of Parquet files, entries of manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from darkroom import manifest
from darkroom.layout import Run, run_of
from darkroom.manifest import Entry
from darkroom.parquet import read_columns
from darkroom.read_ahead import read_ahead
from darkroom.storage import Store

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

PARTS = ("incoming", "manifests")


class Spread(Protocol):
    """Does the same work on many items of a store, on executors or on threads."""

    def __call__(
        self, work: Callable[[Store, Item], Outcome], items: Sequence[Item]
    ) -> list[Outcome]:
        """`[work(store, item) for item in items]`."""


def on_threads(store: Store) -> Spread:
    """Work on this machine, a few items at a time."""

    def spread(work: Callable[[Store, Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
        return list(read_ahead(partial(work, store), items, store.read_ahead))

    return spread


class Row(NamedTuple):
    """An image in a Parquet file of `Results/` or `Rejected/`."""

    file: str
    path: str
    content: str | None

    @property
    def run(self) -> Run:
        """The run that left it."""
        return run_of(self.file)

    @property
    def processed(self) -> bool:
        """Whether it has features, rather than a reason why not."""
        return self.file.startswith("Results/")


class Part(NamedTuple):
    """A part of a manifest, or one that waits for its run to close."""

    key: str
    entries: list[Entry]

    @property
    def batch(self) -> str:
        """The batch whose uploads it names."""
        return batch_of_part(self.key)


def rows_in(store: Store, spread: Spread, files: Sequence[str]) -> Iterator[Row]:
    """The images in Parquet files; only names and digests are read."""
    for file, found in zip(files, spread(_names_in, files), strict=True):
        for path, content in found:
            yield Row(file, path, content)


def parquet_files(store: Store) -> list[str]:
    """All files that name images, but for coordinates: those repeat the features' rows."""
    return [key for folder in ("Results", "Rejected") for key in store.list(folder, ".parquet")]


def _names_in(store: Store, file: str) -> list[tuple[str, str | None]]:
    table = read_columns(store, file, ["path", "content_sha256"])
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def parts_of(store: Store, of_batch: Callable[[str], bool]) -> Iterator[Part]:
    """The manifest parts of certain batches, with what they name."""
    keys = [key for key in part_keys(store) if of_batch(batch_of_part(key))]
    read = read_ahead(store.read, keys, store.read_ahead)
    for key, data in zip(keys, read, strict=True):
        yield Part(key, manifest.unpack(data))


def part_keys(store: Store) -> list[str]:
    """All manifest parts, of runs that are closed and of runs that are not."""
    return [key for folder in PARTS for key in store.list(folder, ".jsonl.gz")]


def batch_of_part(key: str) -> str:
    """The batch whose uploads a manifest part names."""
    return run_of(f"x/{key.split('/')[1]}/run=0/x").batch
