"""Where images stand in the results: rows of Parquet files, entries of manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import unquote

import pyarrow as pa

from darkroom import manifest
from darkroom.errors import UsageError
from darkroom.layout import TABLES, Run, run_of
from darkroom.manifest import Entry
from darkroom.storage.parquet import from_parquet, read_columns
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


_IN_TABLES = tuple(f"{table}/" for table in TABLES)
_SMALL_BYTES = 512 * 1024  # whose reading takes less time than two more requests


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
    """An image in a Parquet file of one of the `TABLES`, or a file that is none."""

    file: str
    path: str
    content: str | None
    reason: str = ""

    @property
    def run(self) -> Run:
        """The run that left it."""
        return run_of(self.file)

    @property
    def place(self) -> str:
        """The first folder of its file."""
        return self.file.partition("/")[0]


class Part(NamedTuple):
    """A part of a manifest, or one that waits for its run to close."""

    key: str
    entries: list[Entry]

    @property
    def batch(self) -> str:
        """The batch whose uploads it names."""
        return batch_of_part(self.key)

    @property
    def run(self) -> Run | None:
        """The run whose manifest it is of; None where its run is not closed."""
        return run_of(self.key) if self.key.startswith("manifests/") else None


def batch_of_part(key: str) -> str:
    """The batch whose uploads a manifest part names."""
    return unquote(key.split("/")[1])


class File(NamedTuple):
    """A Parquet file of one of the `TABLES`, or a part of a manifest."""

    key: str
    size_bytes: int
    written_at: float

    @property
    def batch(self) -> str:
        """The batch of its images."""
        return (
            run_of(self.key).batch if self.key.startswith(_IN_TABLES) else batch_of_part(self.key)
        )

    def columns(self, store: Store, names: Sequence[str]) -> pa.Table:
        """Some of its columns: of a small file by one request, of a large one without the rest."""
        if self.size_bytes <= _SMALL_BYTES:
            return from_parquet(store.read(self.key), list(names))
        return read_columns(store, self.key, names)


def table_files(store: Store) -> list[File]:
    """Every Parquet file of the `TABLES`."""
    return _files(store, TABLES, ".parquet")


def _files(store: Store, folders: Sequence[str], ending: str) -> list[File]:
    stored = (store.stored(folder) for folder in folders)
    return [File(key, one.size_bytes, one.written_at) for told in stored
            for key, one in told.items() if key.endswith(ending)]  # fmt: skip


def rows_in(store: Store, spread: Spread, files: Sequence[File]) -> Iterator[Row]:
    """Every image in these files; only names, digests and reasons are told."""
    for file, found in zip(files, spread(_names_in, files), strict=True):
        for path, content, reason in found:
            yield Row(file.key, path, content, reason)


def _names_in(store: Store, file: File) -> list[tuple[str, str | None, str]]:
    rejected = file.key.startswith("Rejected/")
    columns = ["path", "content_sha256", *(["reason"] if rejected else [])]
    table = file.columns(store, columns)
    reasons = table["reason"].to_pylist() if rejected else [""] * table.num_rows
    names = (table[name].to_pylist() for name in columns[:2])
    return list(zip(*names, reasons, strict=True))


def parts_in(store: Store, files: Sequence[File]) -> tuple[list[Part], list[str]]:
    """Manifest parts, with what they name; and the keys of those that cannot be read."""
    parts: list[Part] = []
    unreadable: list[str] = []
    keys = [file.key for file in files]
    for key, data in zip(keys, read_ahead(store.read, keys, store.read_ahead), strict=True):
        try:
            parts.append(Part(key, manifest.unpack(data)))
        except UsageError:
            unreadable.append(key)
    return parts, unreadable


def part_files(store: Store) -> list[File]:
    """All manifest parts, of runs that are closed and of runs that are not."""
    return _files(store, ("incoming", "manifests"), ".jsonl.gz")
