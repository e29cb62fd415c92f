"""The list of images of one run: JSON lines, gzip, in one or many parts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from darkroom import strict_json
from darkroom.errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """One upload. `store` is the bucket's (or folder's) URI; `size_bytes` -1 where not known.
    `refusal`, a reason, ': ' and words, says why there is none: of a file that an archive named."""

    store: str
    key: str
    version_id: str | None = None
    etag: str = ""
    size_bytes: int = -1
    sequencer: str = ""
    refusal: str = ""

    @property
    def as_json(self) -> dict[str, object]:
        """As a manifest has it."""
        told = asdict(self)
        if not self.refusal:
            del told["refusal"]
        return told


def pack(entries: Iterable[Entry]) -> bytes:
    """A manifest part. The same entries give the same bytes."""
    lines = "".join(json.dumps(entry.as_json, ensure_ascii=False) + "\n" for entry in entries)
    return gzip.compress(lines.encode(), mtime=0)


def unpack(part: bytes) -> list[Entry]:
    """The entries of a part. Raises `UsageError` where it is no manifest."""
    try:
        lines = gzip.decompress(part).split(b"\n")
        return [Entry(**strict_json.parse(line)) for line in lines if line]
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise UsageError(f"not a manifest (gzip, one JSON object a line): {error}") from error


def latest(entries: Iterable[Entry]) -> list[Entry]:
    """Each key once, by its newest event: S3 delivers events twice, and out of order.

    Sequencers of one key compare as hexadecimal text, padded with zeros on the left.
    """
    newest: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        known = newest.get((entry.store, entry.key))
        if known is None or entry.sequencer.zfill(64) >= known.sequencer.zfill(64):
            newest[entry.store, entry.key] = entry
    return list(newest.values())
