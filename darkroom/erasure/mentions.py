"""Whether a text that is no data of ours names an image: a log, the reason of a failed run."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Mentions:
    """Object keys, as they are written in plain text, in JSON and in addresses, and digests.

    A key counts where no letter or digit goes before or after it: `2.jpg` is not named by `12.jpg`.
    Each text is gone through once for each first folder of the keys, however many keys there are.
    """

    def __init__(self, keys: Iterable[str], contents: Iterable[str] = ()) -> None:
        self._contents = set(contents)
        self._keys: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for key in keys:
            for form in _forms(key):
                first, slash, _ = form.partition("/")
                self._keys[first + slash][len(form)].add(form)

    def in_text(self, text: str) -> bool:
        """Whether the text names any of them."""
        if self._contents and not self._contents.isdisjoint(_DIGEST.findall(text)):
            return True
        return any(self._starts_with(text, first) for first in self._keys)

    def _starts_with(self, text: str, first: str) -> bool:
        at = text.find(first)
        while at >= 0:
            if not _is_word(text[at - 1 : at]):
                for length, keys in self._keys[first].items():
                    end = at + length
                    if text[at:end] in keys and not _is_word(text[end : end + 1]):
                        return True
            at = text.find(first, at + 1)
        return False


def _forms(key: str) -> set[str]:
    in_json = (json.dumps(key, ensure_ascii=choice)[1:-1] for choice in (True, False))
    return {key, quote(key), *in_json}


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def logs_that_mention(
    logs: Store, folder: str, mentions: Mapping[str, Mentions]
) -> dict[str, set[str]]:
    """The objects below a folder, plain or gzip, that name an image, with whose; each is read
    once."""
    keys = logs.list(folder)
    texts = read_ahead(lambda key: _text(logs.read(key)), keys, logs.read_ahead)
    found = {
        key: {name for name, words in mentions.items() if words.in_text(text)}
        for key, text in zip(keys, texts, strict=True)
    }
    return {key: names for key, names in found.items() if names}


def _text(data: bytes) -> str:
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    return data.decode(errors="replace")
