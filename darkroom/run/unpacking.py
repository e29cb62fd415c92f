"""A folder's archives, unpacked beside it: their members are entries like any file."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from darkroom.archives.kinds import archive_kind
from darkroom.archives.members import members
from darkroom.archives.reading import ArchiveLimits, Member, Refusal
from darkroom.manifest import Entry
from darkroom.run.folder import Scan
from darkroom.storage.opening import folder_of

# of names that a bucket can have, and a file system cannot
_NAME_REFUSED = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EILSEQ)


def unpacked(scan: Scan, into: Path, max_bytes: int) -> Scan:
    """The scan with the members of its archives in place of these, as `<archive>/<member>`.

    They are written below the folder `into`, which is theirs alone; a member has at most
    `max_bytes`. What cannot be had is an entry with a refusal.
    """
    if not any(archive_kind(entry.key) for entry in scan.entries):
        return scan
    entries: list[Entry] = []
    for entry in scan.entries:
        entries += _members_of(entry, into, max_bytes) if _is_archive(entry) else [entry]
    return replace(scan, entries=sorted(entries, key=lambda entry: entry.key))


def file_of(entry: Entry) -> Path:
    """The file of an entry of a folder."""
    return folder_of(entry.store) / entry.key


def _is_archive(entry: Entry) -> bool:
    return archive_kind(entry.key) is not None and file_of(entry).is_file()


def _members_of(archive: Entry, into: Path, max_bytes: int) -> Iterator[Entry]:
    limits = ArchiveLimits(max_bytes)
    try:
        with file_of(archive).open("rb") as file:
            for member in members(file, archive.size_bytes, archive.key, limits):
                yield _written(member, archive, into)
    except PermissionError:  # the job tells of it as of any file
        yield archive


def _written(member: Member, archive: Entry, into: Path) -> Entry:
    """The member as an entry; its ETag follows that of the archive."""
    named = Entry(archive.store, member.key, etag=f"{archive.etag}-{member.number}")
    content = member.content
    if isinstance(content, Refusal):
        return replace(named, refusal=str(content))
    target = into / member.key
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as error:
        if error.errno not in _NAME_REFUSED:
            raise
        refusal = Refusal("bad_name", f"no file can be called so: {error.strerror}")
        return replace(named, refusal=str(refusal))
    return replace(named, store=into.as_uri(), size_bytes=len(content))
