"""Which files of a folder no finished run of its batch has dealt with, as they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from darkroom import manifest
from darkroom.errors import DarkroomError, UsageError
from darkroom.layout import Run
from darkroom.manifest import Entry
from darkroom.run import receipt
from darkroom.storage.local import LocalStore
from darkroom.storage.opening import folder_of, open_store
from darkroom.storage.parquet import from_parquet


def next_run(results: LocalStore, batch: str, listed: list[Entry]) -> tuple[Run, list[Entry]]:
    """The batch's next run, and its files.

    A file that could not be read then and can be now is new; one that only its time has changed of
    is not. Raises `UsageError` where the batch holds files of another folder under the same names.
    """
    finished = [run for run in receipt.done_runs(results) if run.batch == batch]
    known = _known(results, finished)
    _require_one_place(results, batch, listed, known)
    number = max((run.number for run in finished), default=0) + 1
    return Run(batch, number), [entry for entry in listed if known.is_news(entry)]


@dataclass
class _Known:
    """What finished runs were given, by key, and what they say of it."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    contents: dict[str, set[str | None]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)

    def is_news(self, entry: Entry) -> bool:
        """Whether it was not given, or has other bytes now."""
        given = self.entries.get(entry.key)
        if given is None:
            return True
        if entry.key in self.missing and _digest(entry) not in (None, *self.contents[entry.key]):
            return True
        if any(one.etag == entry.etag for one in given):
            return False
        if self.contents.get(entry.key, {None}) == {None}:  # nobody has looked at its bytes
            return all(one.size_bytes != entry.size_bytes for one in given)
        return _digest(entry) not in self.contents[entry.key]


def _known(results: LocalStore, runs: list[Run]) -> _Known:
    known = _Known()
    for run in runs:
        for part in results.list(run.manifest):
            for entry in manifest.unpack(results.read(part)):
                known.entries.setdefault(entry.key, []).append(entry)
        for path, content, reason in _rows(results, run):
            known.contents.setdefault(path, set()).add(content)
            if reason == "missing":
                known.missing.add(path)
    return known


def _rows(results: LocalStore, run: Run) -> Iterator[tuple[str, str | None, str]]:
    """Path, SHA-256 and reason, '' where there is none, of what the run has dealt with."""
    for folder, columns in (
        (run.results, ["path", "content_sha256"]),
        (run.rejected, ["path", "content_sha256", "reason"]),
        (run.skipped, ["path", "content_sha256"]),
    ):
        for key in results.list(folder, ".parquet"):
            for row in from_parquet(results.read(key), columns).to_pylist():
                yield row["path"], row["content_sha256"], row.get("reason", "")


def _require_one_place(results: LocalStore, batch: str, listed: list[Entry], known: _Known) -> None:
    """A folder may have moved; but two that are there at once are two."""
    for entry in listed:
        for other in known.entries.get(entry.key, ()):
            if other.store != entry.store and _is_there(other):
                place = folder_of(other.store)
                raise UsageError(
                    f"batch {batch!r} in {results.root} holds {other.key} from {place}: "
                    "give this folder a batch of its own with --batch"
                )


def _digest(entry: Entry) -> str | None:
    """Of its bytes now; None where they cannot be read."""
    try:
        return hashlib.sha256(open_store(entry.store).read(entry.key)).hexdigest()
    except DarkroomError:
        return None


def _is_there(entry: Entry) -> bool:
    try:
        open_store(entry.store).size(entry.key)
    except DarkroomError:
        return False
    return True
