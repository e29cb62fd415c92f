"""Points that were read once, for who looks again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from darkroom.errors import ObjectNotFoundError
from darkroom.explore.images import Points, read_points
from darkroom.explore.packs import from_pack, packs
from darkroom.layout import Run
from darkroom.storage.bundles import Bundle, Index
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

CACHED_BYTES = 700 * 1024 * 1024  # of the API's function, some 2.5 million images
_READS = 8
_MANY = 8  # runs: packs hold others, too


@dataclass(frozen=True)
class Seen:
    """A finished run, what tells whether it changed since it was last looked at, and how many
    images it has processed (None where that is not known)."""

    run: Run
    stamp: str = ""
    images: int | None = None


@dataclass(frozen=True)
class _Kept:
    """Points of runs, as they were when they had this stamp."""

    stamp: object
    points: list[Points]
    size_bytes: int


@dataclass
class PointCache:
    """The points of runs, read once and kept while there is room; the longest unused go first."""

    store: Store
    most_bytes: int = CACHED_BYTES
    _kept: OrderedDict[Run | str, _Kept] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def index(self, version: int) -> Index:
        """The packs there are of a PCA version."""
        return packs(version).index(self.store)

    def points(
        self, runs: Sequence[Seen], version: int, index: Index | None = None
    ) -> Iterator[Points]:
        """The runs' points in a PCA version, in order; what is not kept is read side by side. Of
        many runs, those that are packed come from their packs."""
        packed: dict[Run, Points] = {}
        if len(runs) > _MANY:
            packed = self._packed(index or self.index(version), version, runs)
        alone = [seen for seen in runs if seen.run not in packed]
        read = read_ahead(partial(self._of, version), alone, _READS)
        for seen in runs:
            yield packed[seen.run] if seen.run in packed else next(read)

    def _packed(self, index: Index, version: int, runs: Sequence[Seen]) -> dict[Run, Points]:
        """Those that are packed as the table knows them."""
        where = index.runs
        named = {where[seen.run].name: where[seen.run] for seen in runs if seen.run in where}
        read = read_ahead(partial(self._pack, version), named.values(), _READS)
        there = {points.run: points for several in read for points in several}
        return {seen.run: there[seen.run] for seen in runs
                if seen.run in there and seen.images in (None, len(there[seen.run]))}  # fmt: skip

    def _pack(self, version: int, pack: Bundle) -> list[Points]:
        kept = self._known(pack.name, version)
        if kept is None:
            try:
                data = self.store.read(packs(version).key(pack.name))
            except ObjectNotFoundError:  # another has taken its place meanwhile
                return []
            kept = from_pack(data)
            self._keep(pack.name, _Kept(version, kept, len(data)))
        return kept

    def _of(self, version: int, seen: Seen) -> Points:
        known = self._known(seen.run, (seen, version))
        if known is not None:
            return known[0]
        read = read_points(self.store, seen.run, version)
        if seen.images in (None, len(read)):  # else a job is still writing its coordinates
            self._keep(seen.run, _Kept((seen, version), [read], read.size_bytes))
        return read

    def _known(self, name: Run | str, stamp: object) -> list[Points] | None:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.stamp != stamp:
                return None
            self._kept.move_to_end(name)
            return kept.points

    def _keep(self, name: Run | str, kept: _Kept) -> None:
        with self._lock:
            older = self._kept.pop(name, None)
            self._bytes += kept.size_bytes - (older.size_bytes if older is not None else 0)
            self._kept[name] = kept
            while self._bytes > self.most_bytes:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= gone.size_bytes
