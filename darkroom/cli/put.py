"""`darkroom put`: a folder into a batch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from darkroom import manifest
from darkroom.cli.stack import Stack
from darkroom.cli.transfer import in_parallel
from darkroom.errors import UsageError

_SHA256 = "sha256"


@dataclass(frozen=True)
class Sent:
    """How many files were sent, and how many were there already with the same content."""

    sent: int
    known: int


def put_folder(stack: Stack, folder: Path, batch: str, ready: bool) -> Sent:
    """Upload every file below `folder` as `<batch>/<path>`; what is there already is not sent
    again. With `ready`, a marker then closes the batch."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if not batch or "/" in batch or batch in (".", ".."):
        raise UsageError(f"{batch!r} cannot name a batch: it must be one folder name")
    root = folder.resolve()
    listed = manifest.walk_folder(folder)
    paths = [root.parent / entry.key for entry in listed]
    if not paths:
        raise UsageError(f"there are no files in {folder}")
    there = _listed(stack, batch)
    send = partial(_send, stack, root, batch, there)
    outcomes = list(in_parallel(send, paths, f"to {batch}"))
    sent = Sent(sum(outcomes), len(outcomes) - sum(outcomes))
    if ready:
        count = {} if sent.known else {"images": sent.sent}
        put_bytes(stack, f"{batch}/_READY", json.dumps(count).encode() if count else b"")
    return sent


def _listed(stack: Stack, batch: str) -> dict[str, tuple[int, str]]:
    """Sizes and ETags of what the batch has already, by key."""
    pages = stack.s3.get_paginator("list_objects_v2").paginate(
        Bucket=stack.uploads, Prefix=f"{batch}/"
    )
    listed = (item for page in pages for item in page.get("Contents", []))
    return {item["Key"]: (item["Size"], item["ETag"].strip('"')) for item in listed}


def put_bytes(stack: Stack, key: str, data: bytes) -> None:
    """One upload."""
    stack.s3.put_object(
        Bucket=stack.uploads,
        Key=key,
        Body=data,
        Metadata={_SHA256: hashlib.sha256(data).hexdigest()},
    )


def _send(
    stack: Stack, root: Path, batch: str, there: dict[str, tuple[int, str]], path: Path
) -> bool:
    """Whether the file had to be sent."""
    key = f"{batch}/{path.relative_to(root).as_posix()}"
    data = path.read_bytes()
    size, etag = there.get(key, (-1, ""))
    if size == len(data) and _is_same(stack, key, etag, data):
        return False
    put_bytes(stack, key, data)
    return True


def _is_same(stack: Stack, key: str, etag: str, data: bytes) -> bool:
    """By the ETag, where it is the content's MD5 (not with KMS, not in parts), or by our own."""
    if etag == hashlib.md5(data, usedforsecurity=False).hexdigest():
        return True
    known = stack.s3.head_object(Bucket=stack.uploads, Key=key)["Metadata"].get(_SHA256)
    return bool(known == hashlib.sha256(data).hexdigest())


def say(sent: Sent, batch: str) -> None:
    """What happened, for people."""
    known = f", {sent.known} were there already" if sent.known else ""
    click.echo(f"{sent.sent} files sent to batch {batch}{known}")
