"""What a local cloud's files know of an image."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq


def digest(body: bytes) -> str:
    """SHA-256."""
    return hashlib.sha256(body).hexdigest()


def traces(folder: Path, words: list[str]) -> list[str]:
    """Every file of the local cloud (objects, tables, queues, logs, jobs' folders) that knows one
    of the words, in its name, its bytes, or what is packed in it."""
    forms = {form for word in words for form in (word, json.dumps(word)[1:-1])}
    needles = {form.encode() for form in forms}
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if any(needle in text for needle in needles for text in _texts(path))
    ]


def _texts(path: Path) -> Iterator[bytes]:
    yield str(path).encode()
    if not path.is_file():
        return
    data = path.read_bytes()
    yield data
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    if data.startswith(b"PAR1"):
        yield repr(pq.read_table(io.BytesIO(data)).to_pydict()).encode()
