"""What comes of an image: its pixels, or the reason why not; and how much one may be at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Reason = Literal[
    "empty",
    "not_an_image",
    "truncated",
    "too_many_pixels",
    "unsupported_mode",
    "too_large",
    "missing",
    "decode_error",
    "decoder_crashed",
    "too_slow",
    "erased",
    "encrypted",
    "bad_name",
    "archive_limit",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an upload may be at most. `max_pixels` keeps decoding one image under 1 GB."""

    max_bytes: int = 50 * 1024 * 1024
    max_pixels: int = 64_000_000


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image: `array` is `(h, w, 3) uint8` RGB; width and height are as displayed.
    `has_more`: the file has more pages or frames than this one."""

    array: NDArray[np.uint8]
    width: int
    height: int
    format: str
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an image cannot be used: a reason of the closed set, and the decoder's own words."""

    reason: Reason
    detail: str = ""


class UnsupportedError(Exception):
    """A sound file of a kind that is not read; the text says of which, and what to do."""
