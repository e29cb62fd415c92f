"""A stored archive as a file, read in large ranges."""

from __future__ import annotations

from collections.abc import Callable

from darkroom.archives.reading import RefusedError
from darkroom.storage.ranges import RangeFile

_BLOCK_BYTES = 8 * 1024**2
_MOST_AT_ONCE = 64 * 1024**2  # a directory of some 500,000 files; a hostile one announces more


class ArchiveFile(RangeFile):
    """Raises `RefusedError` where more is asked for at once than any sound archive needs."""

    def __init__(self, read_range: Callable[[int, int], bytes], size_bytes: int) -> None:
        super().__init__(read_range, size_bytes, _BLOCK_BYTES)

    def read(self, size: int | None = -1) -> bytes:
        """See `io`."""
        length = self.bytes_up_to(size)
        if length > _MOST_AT_ONCE:
            raise RefusedError("archive_limit", f"{length} bytes of it are needed at once")
        return super().read(length)
