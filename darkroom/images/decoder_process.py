"""The far end of `decoder.py`: reads images from its standard input, writes what came of each.

Decoders of other people's files are millions of lines of C. Here one that aborts, hangs or eats
memory ends this process alone; nothing that it could leak or spoil is in it, either.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import sys
from dataclasses import asdict, dataclass
from functools import lru_cache
from time import process_time
from typing import BinaryIO

from darkroom.images.contract import DISPLAY, Contract
from darkroom.images.outcome import Limits, Pixels, Rejection
from darkroom.images.reading import read_image
from darkroom.images.thumbnails import thumbnail, thumbnail_of_truncated

READY = b"ready\n"
OUT_OF_MEMORY = 3  # exit code
# of a question, and of an answer: bytes of JSON, then of what follows it
LENGTHS = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What images are to become: pixels of `size` (width, height) by a contract, and a thumbnail
    beside them."""

    size: tuple[int, int]
    limits: Limits
    contract: Contract = DISPLAY
    thumbnail: bool = True


def main() -> None:
    """Answer until standard input ends. The arguments are limits: bytes of memory, and seconds of
    computing for each image."""
    most_bytes, most_seconds = map(int, sys.argv[1:])
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    _limit_memory(most_bytes)
    answers.write(READY)
    answers.flush()
    _silence()  # C libraries have words of their own, which say nothing to anybody
    while header := questions.read(LENGTHS.size):
        _limit_computing(most_seconds)
        try:
            answer = _answer(questions, *LENGTHS.unpack(header))
        except MemoryError:
            raise SystemExit(OUT_OF_MEMORY) from None
        answers.write(answer)
        answers.flush()


def _answer(questions: BinaryIO, asked_bytes: int, image_bytes: int) -> bytes:
    asked = _asked(questions.read(asked_bytes))
    data = questions.read(image_bytes)
    outcome = read_image(data, asked.size, asked.limits, asked.contract)
    jpeg = _thumbnail(outcome, data, asked.limits) if asked.thumbnail else b""
    if isinstance(outcome, Pixels):
        told: dict[str, object] = {
            "shape": outcome.array.shape,
            "width": outcome.width,
            "height": outcome.height,
            "format": outcome.format,
            "has_more": outcome.has_more,
        }
        payload = outcome.array.tobytes() + jpeg
    else:
        told, payload = asdict(outcome), jpeg
    words = json.dumps({**told, "jpeg_bytes": len(jpeg)}).encode()
    return LENGTHS.pack(len(words), len(payload)) + words + payload


@lru_cache(1)
def _asked(words: bytes) -> Wanted:
    told = json.loads(words)
    limits, contract = Limits(**told["limits"]), Contract(**told["contract"])
    return Wanted((told["size"][0], told["size"][1]), limits, contract, told["thumbnail"])


def _thumbnail(outcome: Pixels | Rejection, data: bytes, limits: Limits) -> bytes:
    """Of an image as it is, or of a truncated one as far as it goes; empty where there is none."""
    if isinstance(outcome, Pixels):
        return thumbnail(outcome)
    if outcome.reason == "truncated":
        return thumbnail_of_truncated(data, limits) or b""
    return b""


def _limit_memory(most_bytes: int) -> None:
    """Of this process' own; and the kernel, where it must end one, is to take this one."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:  # no Linux
        pass


def _limit_computing(seconds: int) -> None:
    """From now on; beyond it the kernel ends this process."""
    _, hardest = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(process_time()) + seconds + 1, hardest))


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


if __name__ == "__main__":
    main()
