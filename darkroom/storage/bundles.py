"""Objects that are made of several runs each, so that a look at many runs opens few of them; and
`index.json` beside them, which names them with the runs in each.

A bundle is made of what its runs keep, and of nothing else: where one of them changes, it is
dropped, and its runs are read by themselves until a job bundles them anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from time import time

from darkroom.errors import ConflictError, ObjectNotFoundError
from darkroom.layout import Run, run_in
from darkroom.storage.store import Requirement, Store

_TRIES = 5


@dataclass(frozen=True)
class Bundle:
    """A bundle as the index has it: its name, its runs, how many images they have, and how many
    bytes they took before."""

    name: str
    runs: tuple[Run, ...]
    images: int
    size_bytes: int


@dataclass(frozen=True)
class Index:
    """The bundles there are, the oldest first, and the ETag of the object that names them."""

    bundles: tuple[Bundle, ...]
    etag: str | None

    @property
    def runs(self) -> Mapping[Run, Bundle]:
        """Which bundle each run is in."""
        return {run: bundle for bundle in self.bundles for run in bundle.runs}


@dataclass(frozen=True)
class Shelf:
    """A folder of bundles, whose names end so. What no index names any more goes after
    `linger_seconds`: somebody may be reading it, or about to name it."""

    folder: str
    ending: str
    linger_seconds: float = 0

    def key(self, name: str) -> str:
        """Where a bundle lies."""
        return f"{self.folder}/{name}{self.ending}"

    @property
    def _index(self) -> str:
        return f"{self.folder}/index.json"

    def index(self, store: Store) -> Index:
        """The bundles that the index names."""
        try:
            stored = store.read_versioned(self._index)
        except ObjectNotFoundError:
            return Index((), None)
        bundles = [
            Bundle(
                told["name"], tuple(map(run_in, told["runs"])), told["images"], told["size_bytes"]
            )
            for told in json.loads(stored.data)["bundles"]
        ]
        return Index(tuple(bundles), stored.etag)

    def replace(self, store: Store, known: Index, bundles: Sequence[Bundle]) -> None:
        """Let the index name these alone. Raises `ConflictError` where somebody else changed it
        meanwhile, and removes what it does not name; or `LostAnswerError`."""
        document = [
            {"name": bundle.name, "runs": [run.in_ascii for run in bundle.runs],
             "images": bundle.images, "size_bytes": bundle.size_bytes}
            for bundle in bundles
        ]  # fmt: skip
        told = (json.dumps({"bundles": document}) + "\n").encode()
        before, after = ({one.name for one in some} for some in (known.bundles, bundles))
        try:
            store.write_if(self._index, told, _as_read(known))
        except ConflictError:
            store.delete(sorted(map(self.key, after - before)))
            raise
        if not self.linger_seconds:
            store.delete(sorted(map(self.key, before - after)))
            return
        long_ago = time() - self.linger_seconds
        named = set(map(self.key, after)) | {self._index}
        there = store.stored(self.folder).items()
        store.delete([k for k, one in there if k not in named and one.written_at < long_ago])

    def forget(self, store: Store, runs: Collection[Run]) -> None:
        """Drop all bundles that hold one of these runs, and all that the index does not name: where
        nobody else is at work. Safe to repeat."""
        kept = self.drop(store, set(runs))
        named = {self.key(bundle.name) for bundle in kept} | {self._index}
        store.delete([key for key in store.list(self.folder) if key not in named])

    def drop(self, store: Store, runs: set[Run]) -> list[Bundle]:
        """Let the index name no bundle that holds one of these runs; those that stay. Somebody may
        bundle meanwhile."""
        for attempt in range(1, _TRIES + 1):
            known = self.index(store)
            kept = [bundle for bundle in known.bundles if not runs.intersection(bundle.runs)]
            try:
                if len(kept) < len(known.bundles):
                    self.replace(store, known, kept)
                break
            except ConflictError:
                if attempt == _TRIES:
                    raise
        return kept

    def all(self, store: Store) -> list[str]:
        """The keys of all bundles there are, named by the index or not."""
        return store.list(self.folder, self.ending)

    def of(self, store: Store, runs: Collection[Run]) -> list[str]:
        """The keys of those that hold one of these runs, and of those that nothing names."""
        bundles = self.index(store).bundles
        others = {self.key(b.name) for b in bundles if not set(runs).intersection(b.runs)}
        return [key for key in self.all(store) if key not in others]


def _as_read(known: Index) -> Requirement:
    return Requirement(
        known.etag,
        "the bundles are those that were there when these were made",
        "another job has bundled meanwhile",
    )
