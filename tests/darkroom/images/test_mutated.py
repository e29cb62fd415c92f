"""Ten thousand files that somebody, or a disk, has spoilt."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from darkroom.images.decoder import decoder
from darkroom.images.decoder_process import Wanted
from darkroom.images.outcome import Limits, Pixels
from tests.conftest import encoded, picture
from tests.darkroom.images.test_phones_and_cameras import heic, jxl
from tests.darkroom.images.test_reading import mutated

FILES = 2000  # of each kind


@pytest.mark.long
@pytest.mark.parametrize("name", ["HEIC", "AVIF", "JPEG2000", "TIFF", "JXL"])
def test_two_thousand_mutated_files_end_in_pixels_or_a_reason(name: str) -> None:
    image = picture(5)
    originals = {"HEIC": lambda: heic(image), "JXL": lambda: jxl(image, lossless=False)}
    data = originals.get(name, lambda: encoded(image, name))()
    source, ended = random.Random(20261126), Counter[str]()
    with decoder() as mine:
        for _ in range(FILES):
            outcome = mine.decode(mutated(data, source), Wanted((64, 64), Limits())).outcome
            ended["read" if isinstance(outcome, Pixels) else outcome.reason] += 1
    assert ended.total() == FILES
    assert 0 < ended["read"] < FILES
