"""A manifest's entries to bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from darkroom.errors import ObjectNotFoundError, UnreadableObjectError
from darkroom.images.outcome import Limits, Reason, Rejection
from darkroom.manifest import Entry
from darkroom.storage.opening import open_store
from darkroom.storage.read_ahead import read_ahead

_READ_AHEAD_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of reading an entry: its bytes, or the reason why not."""

    entry: Entry
    data: bytes | Rejection


def fetch(entries: Sequence[Entry], limits: Limits) -> Iterator[Fetched]:
    """Read the entries in order, a few ahead; fewer where they are large.

    An object that is gone is `missing`, one that its size alone rules out is never read, nor one
    that was refused before.
    """
    depth = max((open_store(store).read_ahead for store in {e.store for e in entries}), default=1)
    read = (entry.size_bytes for entry in entries if entry.size_bytes <= limits.max_bytes)
    fitting = _READ_AHEAD_BYTES // max([1, *read])
    return read_ahead(partial(_fetch, limits=limits), entries, max(min(depth, fitting), 1))


def _fetch(entry: Entry, limits: Limits) -> Fetched:
    if entry.refusal:
        reason, _, detail = entry.refusal.partition(": ")
        return Fetched(entry, Rejection(cast(Reason, reason), detail))
    if entry.size_bytes > limits.max_bytes:
        detail = f"{entry.size_bytes} bytes, limit {limits.max_bytes}"
        return Fetched(entry, Rejection("too_large", detail))
    store = open_store(entry.store)
    try:
        return Fetched(entry, store.read(entry.key, entry.version_id))
    except ObjectNotFoundError:
        return Fetched(entry, Rejection("missing", "gone when the job came for it"))
    except UnreadableObjectError as error:
        return Fetched(entry, Rejection("missing", str(error)[:200]))
