"""A decoder that crashes, hangs or eats memory costs one image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from darkroom.errors import DarkroomError
from darkroom.images.decoder import Bounds, Decoded, Decoder, decoder
from darkroom.images.decoder_process import Wanted
from darkroom.images.outcome import Limits, Pixels, Rejection
from darkroom.images.reading import read_image
from tests.conftest import jpeg

PLANTED = "tests.darkroom.images.planted_decoder"
WANTED = Wanted((64, 64), Limits())
BOUNDS = Bounds(memory_bytes=512 << 20, computing_seconds=1)
IMPATIENT = replace(BOUNDS, waiting_seconds=3)


@pytest.fixture(name="planted")
def _planted() -> Iterator[Decoder]:
    planted = Decoder(BOUNDS, PLANTED)
    yield planted
    planted.close()


def is_read(decoded: Decoded, seed: int = 0) -> bool:
    expected = read_image(jpeg(seed), WANTED.size, WANTED.limits)
    assert isinstance(expected, Pixels)
    assert isinstance(decoded.outcome, Pixels)
    return np.array_equal(decoded.outcome.array, expected.array)


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        (b"abort", "decoder_crashed", "SIGABRT"),
        (b"segmentation fault", "decoder_crashed", "SIGSEGV"),
        (b"exit", "decoder_crashed", "exit code 7"),
        (b"eat", "decoder_crashed", "more than 512 MB of memory"),
        (b"compute", "too_slow", "1 seconds of computing"),
    ],
    ids=["aborts", "reads where it must not", "exits", "eats memory", "computes"],
)
def test_what_ends_the_decoder_is_rejected_and_the_next_is_read(
    data: bytes, reason: str, words: str, planted: Decoder
) -> None:
    assert is_read(planted.decode(jpeg(), WANTED))
    outcome = planted.decode(data, WANTED).outcome
    assert isinstance(outcome, Rejection)
    assert outcome.reason == reason
    assert words in outcome.detail
    assert is_read(planted.decode(jpeg(1), WANTED), 1)


def test_a_decoder_that_waits_for_ever_is_ended() -> None:
    planted = Decoder(IMPATIENT, PLANTED)
    outcome = planted.decode(b"hang", WANTED).outcome
    planted.close()
    assert outcome == Rejection("too_slow", "not decoded within 3 seconds")


def test_an_image_does_not_pay_for_the_one_before_it(planted: Decoder) -> None:
    """Memory that one spoils may show with the next."""
    assert is_read(planted.decode(b"poison" + jpeg(), WANTED))
    assert is_read(planted.decode(jpeg(1), WANTED), 1)


def test_words_of_libraries_are_no_answers(planted: Decoder) -> None:
    outcome = planted.decode(b"talk", WANTED).outcome
    assert outcome == Rejection("not_an_image", "no known image signature")
    assert is_read(planted.decode(jpeg(), WANTED))


def test_a_decoder_that_cannot_start_is_an_error_of_the_run() -> None:
    broken = Decoder(module="tests.darkroom.images.no_such_module")
    with pytest.raises(DarkroomError, match=r"does not start.*no_such_module"):
        broken.decode(jpeg(), WANTED)
    broken.close()


def test_a_decoder_knows_no_keys(planted: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    planted.start()
    with open(f"/proc/{planted.pid}/environ", "rb") as environment:
        assert b"a-secret" not in environment.read()


def test_a_process_that_forks_leaves_the_decoder_to_its_parent() -> None:
    with decoder() as mine:
        assert is_read(mine.decode(jpeg(), WANTED))
    child = os.fork()
    if not child:  # as it does where the parent is a server
        with decoder() as other:
            os._exit(0 if other is not mine and is_read(other.decode(jpeg(1), WANTED), 1) else 1)
    assert os.waitpid(child, 0)[1] == 0
    with decoder() as again:
        assert again is mine
        assert is_read(again.decode(jpeg(2), WANTED), 2)
