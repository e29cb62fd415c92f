"""Which files are archives, by their names."""

from __future__ import annotations

from typing import Literal

Kind = Literal["zip", "tar", "tar.gz", "tar.zst"]

_KINDS: dict[str, Kind] = {
    ".zip": "zip",
    ".tar": "tar",
    ".tar.gz": "tar.gz",
    ".tgz": "tar.gz",
    ".tar.zst": "tar.zst",
    ".tzst": "tar.zst",
}


def archive_kind(key: str) -> Kind | None:
    """The kind of archive that a file is called like; None for any other.

    >>> archive_kind("spring/Fruits.ZIP"), archive_kind("spring/shard-0.tar"), archive_kind("a.gz")
    ('zip', 'tar', None)
    """
    name = key.rpartition("/")[2].lower()
    return next((kind for end, kind in _KINDS.items() if name.endswith(end) and name != end), None)
