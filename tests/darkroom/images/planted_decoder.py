"""A decoder process that does, for some files, what a broken library could do."""

import os
import signal
import sys
import time

from darkroom.images import decoder_process
from darkroom.images.reading import read_image

_kept: list[bytes] = []
_poisoned = False


def _read(data: bytes, *words: object) -> object:
    global _poisoned
    if data.startswith(b"poison"):
        _poisoned = True
        data = data.removeprefix(b"poison")
    elif _poisoned or data == b"abort":
        os.abort()
    if data == b"exit":
        sys.exit(7)
    if data == b"segmentation fault":
        os.kill(os.getpid(), signal.SIGSEGV)
    while data == b"compute":
        pass
    if data == b"hang":
        time.sleep(1000)
    while data == b"eat":
        _kept.append(bytes(bytearray(1 << 20)))
    if data == b"talk":
        print("words of a library", flush=True)
    return read_image(data, *words)  # type: ignore[arg-type]


decoder_process.read_image = _read  # type: ignore[assignment]
if __name__ == "__main__":
    decoder_process.main()
