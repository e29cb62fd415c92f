"""Names in archives: in whichever code page they were written, and where they lead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

CodePage = Literal["utf-8", "cp932", "cp437"]

# Kana, kanji and full-width punctuation, as Japanese names have them
_JAPANESE = "\u3000-\u30ff\u4e00-\u9fff\uff65-\uff9f"
_WORD = re.compile(f"[{_JAPANESE}]{{2,}}")
_LETTER = re.compile(f"[{_JAPANESE}]")


class BadNameError(ValueError):
    """A name that no key can be made of; the text says why."""


def code_page(names: Iterable[bytes]) -> CodePage:
    """Which code page an archive's names are in, of which it does not say: UTF-8, or Shift-JIS as
    Windows has it (cp932), or else that of DOS (cp437), which the ZIP format prescribes.

    Any bytes are a name in cp437, and many names in it are one in cp932: "châ" and "tea" would make
    a katakana. But such letters stand alone then, between Latin ones; Japanese ones make words.

    >>> code_page(["りんご/1.jpg".encode("cp932")]), code_page(["château.jpg".encode("cp437")])
    ('cp932', 'cp437')
    """
    foreign = [name for name in names if not name.isascii()]
    if _all_decode(foreign, "utf-8"):
        return "utf-8"
    if _all_decode(foreign, "cp932"):
        text = "/".join(name.decode("cp932") for name in foreign)
        in_words = sum(map(len, _WORD.findall(text)))
        if 2 * in_words > len(_LETTER.findall(text)):
            return "cp932"
    return "cp437"


def _all_decode(names: Iterable[bytes], page: CodePage) -> bool:
    try:
        for name in names:
            name.decode(page)
    except UnicodeDecodeError:
        return False
    return True


def below(name: str) -> str:
    """A member's name as a path below its archive. Raises `BadNameError` for one that leads
    elsewhere, or that no object can have.

    >>> below("./Test\\\\Apple//1.jpg")
    'Test/Apple/1.jpg'
    """
    path = name.replace("\\", "/")
    if path.startswith("/") or re.match("[A-Za-z]:", path):
        raise BadNameError("its name is absolute")
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if ".." in segments:
        raise BadNameError("its name leads out of the archive")
    if not segments:
        raise BadNameError("it has no name")
    if re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", path):
        raise BadNameError("its name has characters that are no text")
    return "/".join(segments)
