"""One archive, unpacked where it lies: each member becomes an upload of its own, then it goes.

Whatever is done twice changes nothing that is seen: a member is stored under the same key, its
refusal has the same words, and a run takes each upload once. So a message that comes again, or a
function that dies, costs time alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO, cast

from darkroom import manifest
from darkroom.archives.members import members
from darkroom.archives.ranges import ArchiveFile
from darkroom.archives.reading import ArchiveLimits, Member, Refusal
from darkroom.erasure import block_list
from darkroom.erasure.block_list import ERASED_WORDS, BlockList
from darkroom.errors import ConflictError, ObjectNotFoundError
from darkroom.layout import archive_folder, incoming_part
from darkroom.manifest import Entry
from darkroom.storage.read_ahead import read_ahead
from functions.aws.bucket import Bucket
from functions.intake.collector import Collector
from functions.runs.queues import Unpacking

_AT_ONCE = 8  # each member is in memory
_TOLD_AT_ONCE = 1000
_ERASED = Refusal("erased", ERASED_WORDS)


@dataclass(frozen=True)
class Unpacker:
    """`uploads` is where archives lie and their members go. A member has at most `max_bytes`."""

    collector: Collector
    uploads: Bucket
    max_bytes: int

    def unpack(self, work: Unpacking, has_time: Callable[[], bool]) -> None:
        """Go on with an archive from member `work.start`; where time ends, another invocation goes
        on. Safe to repeat."""
        archive = self._archive(work)
        if not self._is_waited_for(work):  # a message that came again, late
            return
        if archive is None:  # erased, or so old that its part has expired
            self._end(work)
        elif not self._is_newest(archive):
            self._tell_if_deleted(work, archive)
            self._end(work)
        else:
            self._go_on(work, archive, has_time)

    def _archive(self, work: Unpacking) -> Entry | None:
        try:
            part = self.collector.results.read(incoming_part(work.run.batch, work.part))
        except ObjectNotFoundError:
            return None
        return next(iter(manifest.unpack(part)), None)

    def _is_waited_for(self, work: Unpacking) -> bool:
        record = self.collector.runs.get(work.run)
        return record is not None and work.part in record.unpacking

    def _go_on(self, work: Unpacking, archive: Entry, has_time: Callable[[], bool]) -> None:
        store = partial(self._store, block_list.load(self.collector.results), archive)
        told: list[Entry] = []
        for number, entry in read_ahead(store, self._members(work, archive), _AT_ONCE):
            work = work.after(number, not entry.refusal)
            told.append(entry)
            is_over = not has_time()
            if is_over or len(told) == _TOLD_AT_ONCE:
                self.collector.collect_members(work.run.batch, told)
                told = []
            if is_over:
                self.collector.queues.unpack(work)
                return
        self.collector.collect_members(work.run.batch, told)
        if work.stored:  # one of which nothing could be had stays, like any file that is bad
            self.uploads.remove_version(archive.key, archive.version_id)
        self._end(work)

    def _members(self, work: Unpacking, archive: Entry) -> Iterator[Member]:
        size = archive.size_bytes
        file = cast(BinaryIO, ArchiveFile(partial(self.uploads.read_range, archive.key), size))
        folder = archive_folder(archive.key, work.run.batch)
        for member in members(file, size, folder, ArchiveLimits(self.max_bytes), work.start):
            yield replace(member, key=archive.key) if member.key == folder else member

    def _store(self, blocked: BlockList, archive: Entry, member: Member) -> tuple[int, Entry]:
        """The member's number, and what is to be told of it: an upload, or why there is none."""
        content, named = member.content, replace(archive, key=member.key, etag="", size_bytes=-1)
        if isinstance(content, bytes) and blocked.blocks(hashlib.sha256(content).hexdigest()):
            content = _ERASED
        if isinstance(content, Refusal):
            return member.number, replace(named, refusal=str(content))
        version = self.uploads.write_version(member.key, content)
        return member.number, Entry(
            archive.store, member.key, version.id, version.etag, len(content)
        )

    def _tell_if_deleted(self, work: Unpacking, archive: Entry) -> None:
        """A newer archive of the same name is told of by itself; and one whose very version is gone
        was unpacked, or erased."""
        if self.uploads.version(archive.key) is None and self._has_its_version(archive):
            words = "missing: deleted before it was unpacked"
            self.collector.collect_members(work.run.batch, [replace(archive, refusal=words)])

    def _is_newest(self, archive: Entry) -> bool:
        there = self.uploads.version(archive.key)
        return there is not None and there == archive.version_id

    def _has_its_version(self, archive: Entry) -> bool:
        return self.uploads.version(archive.key, archive.version_id) is not None

    def _end(self, work: Unpacking) -> None:
        with suppress(ConflictError):  # ended by another message
            self.collector.archive_ended(work.run, work.part)
