"""What was erased and may not come back: contents, and uploads that S3 may tell of once more.

Nothing in it names an image: contents and uploads are hashed with the list's own salt.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from darkroom.errors import ConflictError, LostAnswerError, ObjectNotFoundError
from darkroom.layout import BLOCK_LIST
from darkroom.manifest import Entry
from darkroom.storage.conditional_write import write_on_condition
from darkroom.storage.store import Requirement, Store

ERASED_WORDS = "an image with this content was erased; `darkroom unblock` allows it"

_TRIES = 10
_UPLOAD_BYTES = 16  # of the hash of an upload; version ids are random, so none is found by guessing


@dataclass(frozen=True)
class BlockList:
    """`contents`: id of the erasure by hashed content; `uploads`: hashes of erased uploads."""

    salt: str
    contents: Mapping[str, str] = field(default_factory=dict)
    uploads: frozenset[str] = frozenset()

    def blocks(self, content_sha256: str) -> bool:
        """Whether an image with this content was erased."""
        return bool(self.contents) and self.hashed_content(content_sha256) in self.contents

    def erased(self, entry: Entry) -> bool:
        """Whether this very upload was erased: an event about it is late, or comes again."""
        return bool(self.uploads) and self.hashed_upload(entry) in self.uploads

    def hashed_content(self, content_sha256: str) -> str:
        """As `contents` names it."""
        return self._hash(content_sha256)

    def hashed_upload(self, entry: Entry) -> str:
        """As `uploads` names it: by key and version (or event, where a bucket has no versions)."""
        return self._hash(f"{entry.key}\0{upload_of(entry)}")[: 2 * _UPLOAD_BYTES]

    def with_contents(self, erasure: str, contents: Iterable[str]) -> BlockList:
        """The list with the contents that an erasure removed."""
        named = {self.hashed_content(content): erasure for content in contents}
        return replace(self, contents={**named, **self.contents})

    def with_uploads(self, uploads: Iterable[Entry]) -> BlockList:
        """The list with more uploads."""
        return replace(self, uploads=self.uploads | {self.hashed_upload(e) for e in uploads})

    def without(self, hashed: Iterable[str]) -> BlockList:
        """The list with contents lifted, by their hashes."""
        lifted = set(hashed)
        kept = {name: by for name, by in self.contents.items() if name not in lifted}
        return replace(self, contents=kept)

    def _hash(self, text: str) -> str:
        return hmac.new(bytes.fromhex(self.salt), text.encode(), hashlib.sha256).hexdigest()


def upload_of(entry: Entry) -> str:
    """What tells one upload of a key from another."""
    return entry.version_id or entry.sequencer.zfill(64)


NOTHING_BLOCKED = BlockList("")


def load(results: Store) -> BlockList:
    """The list as it is now."""
    try:
        return unpack(results.read(BLOCK_LIST))
    except ObjectNotFoundError:
        return NOTHING_BLOCKED


def change(results: Store, how: Callable[[BlockList], BlockList]) -> BlockList:
    """Change the list on condition that nobody else does meanwhile; the list as it is left."""
    for _ in range(_TRIES):
        try:
            stored = results.read_versioned(BLOCK_LIST)
            known, etag = unpack(stored.data), stored.etag
        except ObjectNotFoundError:
            known, etag = BlockList(secrets.token_hex(32)), None
        changed = how(known)
        if changed == known and etag is not None:
            return known
        try:
            write_on_condition(results, BLOCK_LIST, pack(changed), _as_read(etag))
            return changed
        except (ConflictError, LostAnswerError):  # look at it anew
            continue
    raise ConflictError(f"{BLOCK_LIST} is changed faster than it can be read")


def _as_read(etag: str | None) -> Requirement:
    return Requirement(
        etag,
        "the block list is the one that was read",
        "somebody else has changed it",
    )


def pack(blocked: BlockList) -> bytes:
    """As JSON."""
    document = {
        "salt": blocked.salt,
        "contents": dict(blocked.contents),
        "uploads": sorted(blocked.uploads),
    }
    return json.dumps(document).encode()


def unpack(data: bytes) -> BlockList:
    """The list that `pack` wrote."""
    told = json.loads(data)
    return BlockList(told["salt"], told["contents"], frozenset(told["uploads"]))
