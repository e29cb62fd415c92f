"""The images of a job that is started by hand, without a manifest."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from darkroom.manifest import Entry
from darkroom.storage.opening import open_store


def list_store(uri: str) -> list[Entry]:
    """Every object below `uri`, for a job started by hand with `--input`."""
    if "://" not in uri:
        uri = Path(uri).absolute().as_uri()
    store, _, name = uri.rstrip("/").rpartition("/")
    if store in ("s3:/", "s3a:/"):
        store, name = uri.rstrip("/"), ""
    folder = unquote(name) if store.startswith("file:") else name
    sizes = open_store(store).sizes(folder)
    return [Entry(store, key, size_bytes=size) for key, size in sizes.items()]
