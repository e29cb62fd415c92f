"""An object in a store as a file that can be sought in: what is asked for is fetched."""

from __future__ import annotations

import io
from collections.abc import Callable


class RangeFile(io.RawIOBase):
    """`read_range(start, length)` gives bytes of an object of `size_bytes`. At least `block_bytes`
    are fetched at once, and the last block is held: who reads forwards asks once for each. Raises
    what `read_range` raises."""

    def __init__(
        self, read_range: Callable[[int, int], bytes], size_bytes: int, block_bytes: int = 0
    ) -> None:
        self._read_range, self._size, self._block_bytes = read_range, size_bytes, block_bytes
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

    def bytes_up_to(self, size: int | None) -> int:
        """How many bytes a `read` of this size gives."""
        left = max(self._size - self._position, 0)
        return left if size is None or size < 0 else min(size, left)

    def read(self, size: int | None = -1) -> bytes:
        """See `io`."""
        length = self.bytes_up_to(size)
        start = self._position - self._begin
        if length and not 0 <= start <= len(self._block) - length:
            self._begin, start = self._position, 0
            wanted = self.bytes_up_to(max(length, self._block_bytes))
            self._block = self._read_range(self._begin, wanted)
        self._position += length
        return self._block[start : start + length]
