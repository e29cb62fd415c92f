"""Whether a text names an image: a log, a receipt, a record."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from urllib.parse import quote

from darkroom.layout import batch_of
from darkroom.read_ahead import read_ahead
from darkroom.storage import Store

_MOST_WORDS = 5000


class Mentions:
    """Object keys and digests, as they are written in plain text, in JSON and in addresses.

    Of very many keys, a text that names any key's batch as a folder is taken to name them.
    """

    def __init__(self, keys: Iterable[str], contents: Iterable[str] = ()) -> None:
        words = set(keys)
        if len(words) > _MOST_WORDS:
            batches = {batch_of(word, "") for word in words}
            words = {f"{batch}/" for batch in batches if batch != "loose-"}
        self._words = {
            form for word in words for form in (word, quote(word), json.dumps(word)[1:-1])
        }
        self._words |= set(contents)

    def in_text(self, text: str) -> bool:
        """Whether the text names any of them."""
        return any(word in text for word in self._words)


def logs_that_mention(logs: Store, folder: str, mentions: Mentions) -> list[str]:
    """The objects below a folder, plain or gzip, that name an image."""
    keys = logs.list(folder)
    texts = read_ahead(lambda key: _text(logs.read(key)), keys, logs.read_ahead)
    return [key for key, text in zip(keys, texts, strict=True) if mentions.in_text(text)]


def _text(data: bytes) -> str:
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    return data.decode(errors="replace")
