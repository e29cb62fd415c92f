"""Images decoded in a process beside this one, so that a decoder that crashes, hangs or eats memory
costs one image: in a task of Spark, in a thread, in a Lambda alike.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from threading import Lock
from time import monotonic
from typing import Any

import numpy as np

from darkroom.errors import DarkroomError
from darkroom.images.decoder_process import LENGTHS, OUT_OF_MEMORY, READY, Wanted
from darkroom.images.outcome import Pixels, Rejection

_MODULE = "darkroom.images.decoder_process"
_START_SECONDS = 120  # for imports, on a machine that does much else
_CHUNK_BYTES = 1 << 20  # as much as a pipe may hold, so that an image passes at once
_TRIES = 2
_MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one image may cost: memory of the process, seconds of computing, and seconds of wall
    clock, of which a machine that does much else may need more."""

    memory_bytes: int = 1536 * _MEGABYTE
    computing_seconds: int = 60
    waiting_seconds: float = 600


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came of an image, and a small JPEG of it where there is something to see."""

    outcome: Pixels | Rejection
    jpeg: bytes | None = None


class Decoder:
    """A process, started anew when it has ended; for one thread at a time."""

    def __init__(self, bounds: Bounds = Bounds(), module: str = _MODULE) -> None:
        self._bounds, self._module = bounds, module
        self._process: _Process | None = None

    def start(self) -> None:
        """Begin to start the process, without waiting for it."""
        if self._process is None:
            self._process = _Process(self._module, self._bounds)

    def decode(self, data: bytes, wanted: Wanted) -> Decoded:
        """As `read_image` does. What ends the process twice is rejected as `decoder_crashed`: the
        first time, what came before it may have been the reason."""
        for _ in range(_TRIES):
            self.start()
            assert self._process is not None
            try:
                return self._process.ask(data, wanted)
            except _EndedError as ended:
                self.close()
                rejection = ended.rejection
                if rejection.reason == "too_slow":
                    break
        return Decoded(rejection)

    @property
    def pid(self) -> int | None:
        """The process' id, while it runs."""
        return self._process.pid if self._process else None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None


_idle: list[Decoder] = []
_inherited: list[Decoder] = []  # by a fork: another process' own, kept for nothing to end them
_using = Lock()


@contextmanager
def decoder() -> Iterator[Decoder]:
    """One that nobody else uses meanwhile; it stays for who comes next in this process."""
    with _using:
        mine = _idle.pop() if _idle else Decoder()
    mine.start()
    try:
        yield mine
    finally:
        with _using:
            _idle.append(mine)


def start_decoders(count: int) -> None:
    """Begin to start as many as will be wanted soon: they are ready when the images are."""
    with _using:
        _idle.extend(Decoder() for _ in range(count - len(_idle)))
        for one in _idle:
            one.start()


def _leave_to_parent() -> None:
    _inherited.extend(_idle)
    _idle.clear()


@atexit.register
def _close_idle() -> None:
    while _idle:
        _idle.pop().close()


os.register_at_fork(after_in_child=_leave_to_parent)


class _EndedError(Exception):
    """The process has ended over an image, or had to be ended."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.detail)
        self.rejection = rejection


class _Process:
    """The process and its two pipes."""

    def __init__(self, module: str, bounds: Bounds) -> None:
        self._bounds, self._is_ready = bounds, False
        limits = (str(bounds.memory_bytes), str(bounds.computing_seconds))
        self._child = subprocess.Popen(
            [sys.executable, "-m", module, *limits],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=_environment(), bufsize=0, pipesize=_CHUNK_BYTES,
        )  # fmt: skip
        assert self._child.stdin
        assert self._child.stdout
        self._questions = self._child.stdin.fileno()
        self._answers = self._child.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)

    @property
    def pid(self) -> int:
        """Its id."""
        return self._child.pid

    def ask(self, data: bytes, wanted: Wanted) -> Decoded:
        """Its answer for an image. Raises `_EndedError`."""
        self._await_ready()
        deadline = monotonic() + self._bounds.waiting_seconds
        asked = _in_words(wanted)
        try:
            self._write(LENGTHS.pack(len(asked), len(data)) + asked)
            self._write(data)
            words_bytes, payload_bytes = LENGTHS.unpack(self._read(LENGTHS.size, deadline))
            words = json.loads(self._read(words_bytes, deadline))
            return _decoded(words, bytes(self._read(payload_bytes, deadline)))
        except (BrokenPipeError, EOFError):
            raise _EndedError(self._why_ended()) from None
        except TimeoutError:
            raise _EndedError(_too_slow(f"{self._bounds.waiting_seconds:g} seconds")) from None

    def close(self) -> None:
        """End it."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()

    def _await_ready(self) -> None:
        """Raises `DarkroomError` where the process cannot even start."""
        if self._is_ready:
            return
        with suppress(EOFError, TimeoutError):
            self._is_ready = self._read(len(READY), monotonic() + _START_SECONDS) == READY
        if not self._is_ready:
            self._child.kill()
            assert self._child.stderr
            words = self._child.stderr.read().decode("utf-8", "replace").strip()
            raise DarkroomError(f"the process that decodes images does not start: {words[-500:]}")

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._questions, left[:_CHUNK_BYTES]) :]

    def _read(self, count: int, deadline: float) -> bytearray:
        read = bytearray()
        while len(read) < count:
            milliseconds = (deadline - monotonic()) * 1000
            if milliseconds <= 0 or not self._poll.poll(milliseconds):
                raise TimeoutError
            chunk = os.read(self._answers, min(count - len(read), _CHUNK_BYTES))
            if not chunk:
                raise EOFError
            read += chunk
        return read

    def _why_ended(self) -> Rejection:
        code = self._child.wait()
        if code == -signal.SIGXCPU:
            return _too_slow(f"{self._bounds.computing_seconds} seconds of computing")
        if code == OUT_OF_MEMORY:
            words = f"it needs more than {self._bounds.memory_bytes // _MEGABYTE} MB of memory"
        else:
            words = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Rejection("decoder_crashed", f"the decoder was ended by this file: {words}")


@lru_cache(1)
def _in_words(wanted: Wanted) -> bytes:
    return json.dumps(asdict(wanted)).encode()


def _too_slow(limit: str) -> Rejection:
    return Rejection("too_slow", f"not decoded within {limit}")


def _decoded(words: dict[str, Any], payload: bytes) -> Decoded:
    jpeg_bytes = words.pop("jpeg_bytes")
    pixels_bytes = len(payload) - jpeg_bytes
    jpeg = payload[pixels_bytes:] or None
    if "reason" in words:
        return Decoded(Rejection(**words), jpeg)
    array = np.frombuffer(payload, np.uint8, pixels_bytes).reshape(words.pop("shape"))
    return Decoded(Pixels(array, **words), jpeg)


def _environment() -> dict[str, str]:
    """Its modules are found where this process finds them; no keys of AWS, and one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    modules = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return {**kept, "PYTHONPATH": modules, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
