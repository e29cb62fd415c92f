"""Stores and objects by URI: a folder (`file://`, or a plain path) or a bucket (`s3://`)."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from darkroom.errors import UsageError
from darkroom.storage.local import LocalStore
from darkroom.storage.s3 import s3_store
from darkroom.storage.store import Store


def open_store(uri: str) -> Store:
    """The store at `s3://bucket[/prefix]`, `file:///folder` or a plain folder path."""
    parts = urlsplit(uri)
    if parts.scheme in ("s3", "s3a"):
        return s3_store(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file":
        return LocalStore(folder_of(uri))
    if "://" not in uri:
        return LocalStore(Path(uri))
    raise UsageError(f"{uri}: only s3://, file:// and folder paths can be read or written")


def folder_of(uri: str) -> Path:
    """The folder at `file:///folder`."""
    return Path(unquote(urlsplit(uri).path))


def read_uri(uri: str) -> bytes:
    """The bytes of one file or object, by URI or path."""
    if "://" not in uri:
        return LocalStore(Path(uri).absolute().parent).read(Path(uri).name)
    store, _, key = uri.rpartition("/")
    return open_store(store).read(unquote(key) if store.startswith("file:") else key)
