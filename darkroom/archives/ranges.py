"""An object in a store as a file that can be sought in, read in large ranges."""

from __future__ import annotations

import io
from collections.abc import Callable

from darkroom.archives.reading import RefusedError

_BLOCK_BYTES = 8 * 1024**2
_MOST_AT_ONCE = 64 * 1024**2  # a directory of some 500,000 files; a hostile one announces more


class RangeFile(io.RawIOBase):
    """`read_range(start, length)` gives bytes of an object of `size_bytes`. Holds one block: who
    reads forwards asks once for each. Raises what `read_range` raises, and `RefusedError` where
    more is asked for at once than any sound archive needs."""

    def __init__(self, read_range: Callable[[int, int], bytes], size_bytes: int) -> None:
        self._read_range, self._size = read_range, size_bytes
        self._position = 0
        self._begin, self._block = 0, b""

    def readable(self) -> bool:
        """See `io`."""
        return True

    def seekable(self) -> bool:
        """See `io`."""
        return True

    def tell(self) -> int:
        """See `io`."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See `io`. Raises `ValueError` before the beginning."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the file's beginning")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        """See `io`."""
        left = max(self._size - self._position, 0)
        length = left if size is None or size < 0 else min(size, left)
        if length > _MOST_AT_ONCE:
            raise RefusedError("archive_limit", f"{length} bytes of it are needed at once")
        start = self._position - self._begin
        if length and not 0 <= start <= len(self._block) - length:
            self._begin, start = self._position, 0
            wanted = min(max(length, _BLOCK_BYTES), left)
            self._block = self._read_range(self._begin, wanted)
        self._position += length
        return self._block[start : start + length]
