"""Names for a terminal: whoever names a file may not move its cursor, or turn its lines around."""

from __future__ import annotations

import re

# Control characters (ESC among them), those that change the direction of writing, separators of
# lines and paragraphs, and what is no character. Source: Unicode Technical Report 36, and UAX 9.
_UNSHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
_KEPT = "\n\t"


def printable(name: str) -> str:
    r"""A name on one line, with what a terminal would act on spelled out.

    >>> printable("a\x1b[2Jb\u202ec"), printable("two\nlines"), printable("Pêche 🍑")
    ('a\\x1b[2Jb\\u202ec', 'two\\nlines', 'Pêche 🍑')
    """
    return _UNSHOWN.sub(_spelled, name)


def printable_text(text: str) -> str:
    """The same for a text of several lines, of which each may hold names."""
    return _UNSHOWN.sub(lambda found: found[0] if found[0] in _KEPT else _spelled(found), text)


def printable_json(text: str) -> str:
    r"""The same for JSON, in its own spelling: the text means what it meant.

    >>> printable_json('{"name": "a\u202eb"}')
    '{"name": "a\\u202eb"}'
    """
    return _UNSHOWN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _spelled(found: re.Match[str]) -> str:
    character = found[0]
    if 0xDC80 <= ord(character) <= 0xDCFF:  # a byte of a file's name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()
