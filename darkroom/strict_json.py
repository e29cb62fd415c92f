"""JSON that somebody else wrote."""

from __future__ import annotations

import json
from typing import Any


def parse(text: str | bytes) -> Any:
    """The value. Raises `ValueError` for all that is no JSON in UTF-8: NaN and infinities are none,
    nor is what is nested too deeply to be read.

    >>> parse('{"images": 3}')
    {'images': 3}
    >>> parse("[" * 100_000)
    Traceback (most recent call last):
        ...
    ValueError: nested too deeply
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        return json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
