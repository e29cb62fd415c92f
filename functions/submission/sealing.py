"""The manifest of a closed run, from the parts that were registered with it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from darkroom import manifest
from darkroom.erasure import block_list
from darkroom.errors import ObjectNotFoundError, UsageError
from darkroom.layout import Run, incoming_part, run_of
from darkroom.manifest import Entry
from darkroom.storage.read_ahead import read_ahead
from functions.aws.bucket import Bucket
from functions.aws.observability import logger
from functions.runs.records import RunRecord

_ENTRIES_PER_PART = 50_000
_STILL_PACKED = (
    "too_slow: not unpacked by the time that its run had to be closed; what is in it comes in the "
    "batch's next run"
)


@dataclass(frozen=True)
class Sealer:
    """Reads incoming parts, writes manifests."""

    results: Bucket

    def count(self, record: RunRecord) -> int:
        """How many distinct objects the run's parts name."""
        return len(self._distinct(record))

    def seal(self, record: RunRecord) -> int:
        """Write the run's manifest, and say how many objects it names.

        Each key once, by its newest event, and none that an earlier run of the batch was given or
        that was erased: S3 may tell of an upload again after its run was closed. Repeating it
        changes nothing.
        """
        self._forget_erased(_parts(record))  # a part may have been on its way during an erasure
        entries = [*self._distinct(record), *self._still_packed(record)]
        if record.run > 1 and entries:
            news = {_fingerprint(entry): entry for entry in entries}
            for given in self._given_earlier(record.key):  # which may be many times as many
                news.pop(_fingerprint(given), None)
            entries = list(news.values())
        stale = set(self.results.list(record.key.manifest))  # of a try that knew of more
        for number, start in enumerate(range(0, len(entries), _ENTRIES_PER_PART)):
            packed = manifest.pack(entries[start : start + _ENTRIES_PER_PART])
            key = f"{record.key.manifest}/part-{number:05d}.jsonl.gz"
            self.results.write(key, packed)
            stale.discard(key)
        self.results.delete(sorted(stale))
        return len(entries)

    def without_erased(self, record: RunRecord) -> int:
        """Take uploads out of the run's manifest that were erased since it was written; how many
        it names."""
        return self._forget_erased(self.results.list(record.key.manifest))

    def _forget_erased(self, keys: list[str]) -> int:
        """Take erased uploads out of parts; how many are left in them."""
        blocked, count = block_list.load(self.results), 0
        for key, entries in zip(keys, self._unpacked(keys), strict=True):
            left = [entry for entry in entries if not blocked.erased(entry)]
            if len(left) < len(entries):
                self.results.write(key, manifest.pack(left))
            count += len(left)
        return count

    def _distinct(self, record: RunRecord) -> list[Entry]:
        entries = [entry for part in self._unpacked(_parts(record)) for entry in part]
        return sorted(manifest.latest(entries), key=lambda entry: entry.key)

    def _still_packed(self, record: RunRecord) -> list[Entry]:
        """The archives that a run was waiting for when it had to be closed."""
        keys = [incoming_part(record.batch, part) for part in sorted(record.unpacking)]
        entries = [entry for part in self._unpacked(keys) for entry in part]
        return [replace(entry, refusal=_STILL_PACKED) for entry in entries]

    def _unpacked(self, keys: list[str]) -> Iterator[list[Entry]]:
        """The entries of parts. Raises `UsageError` for one that is gone or broken: nobody knows
        what it named."""
        try:
            for part in self._read(keys):
                yield manifest.unpack(part)
        except (ObjectNotFoundError, UsageError) as error:
            raise UsageError(f"what was uploaded is not known any more: {error}") from error

    def _given_earlier(self, run: Run) -> Iterator[Entry]:
        of_batch = self.results.list(run.manifest.rpartition("/")[0])
        keys = [key for key in of_batch if run_of(key).number < run.number]
        for key, part in zip(keys, self._read(keys), strict=True):
            try:
                yield from manifest.unpack(part)
            except UsageError as error:  # then repetitions may be worked once more
                logger.error("%s cannot be read: %s", key, error)

    def _read(self, keys: list[str]) -> Iterator[bytes]:
        return read_ahead(partial(Bucket.read, self.results), keys, Bucket.read_ahead)


def _parts(record: RunRecord) -> list[str]:
    return [incoming_part(record.batch, part) for part in sorted(record.parts)]


def _fingerprint(entry: Entry) -> bytes:
    """16 bytes that stand for one upload of one key."""
    upload = entry.version_id or entry.sequencer.zfill(64)
    told = f"{entry.store}\0{entry.key}\0{upload}"
    return hashlib.blake2b(told.encode(), digest_size=16).digest()
