"""`darkroom put`: a folder into a batch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from botocore.exceptions import BotoCoreError, ClientError

from cli.on_stack.stack import Stack
from cli.on_stack.transfer import in_parallel
from cli.terminal.left_out import in_words
from cli.terminal.say import say, say_json
from darkroom.errors import DarkroomError, UsageError
from darkroom.manifest import Entry
from darkroom.printable import printable
from darkroom.run.folder import Scan, scan_folder
from darkroom.run.unpacking import file_of, unpacked
from darkroom.storage.local import read_regular
from functions.runs.records import State

_SHA256 = "sha256"
_REGISTER_SECONDS = 60.0
_MOST_BYTES = 1024**3  # in memory, several at once; far more than an image may have


@dataclass(frozen=True)
class Sent:
    """How many files were sent, and how many were there already with the same content; what could
    not be read, and what was left out by rule, each with the reason; whether the batch was marked
    as ready; and whether its runs have counted all of it yet."""

    sent: int
    known: int
    unreadable: list[str]
    left_out: list[str]
    marked: bool
    registered: bool


@dataclass(frozen=True)
class _Counted:
    """What a batch's runs have been told of: files, and the newest marker."""

    uploads: int
    marker: str


def put_folder(
    stack: Stack, folder: Path, batch: str, ready: bool, follow_links: bool = False
) -> Sent:
    """Upload every file below `folder` as `<batch>/<path>`; what is there already is not sent
    again. With `ready`, a marker then closes the batch, unless a file could not be read or there
    is nothing to close. Waits until the batch's runs have counted what was sent."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if not batch or "/" in batch or batch in (".", ".."):
        raise UsageError(f"{batch!r} cannot name a batch: it must be one folder name")
    root = folder.resolve()
    with TemporaryDirectory(prefix="darkroom-") as place:
        scan = unpacked(scan_folder(folder, follow_links), Path(place).resolve(), _MOST_BYTES)
        return _put(stack, scan, root.name, batch, ready)


def _put(stack: Stack, scan: Scan, folder: str, batch: str, ready: bool) -> Sent:
    left_out, unreached = list(map(str, scan.left_out)), list(map(str, scan.unreachable))
    if not scan.entries:
        named = ", ".join([*unreached, *left_out][:10])
        raise UsageError(f"there are no files in {folder}" + (f", but {named}" if named else ""))
    before, there = _counted(stack, batch), _listed(stack, batch)
    send = partial(_send, stack, folder, batch, there)
    outcomes = list(in_parallel(send, scan.entries, f"to {batch}"))
    unreadable = sorted([*unreached, *(one for one in outcomes if isinstance(one, str))])
    sent, known = outcomes.count(True), outcomes.count(False)
    marked = ready and not unreadable and (sent > 0 or _is_open(stack, batch))
    if marked:
        count = {} if known else {"images": sent}
        put_bytes(stack, f"{batch}/_READY", json.dumps(count).encode() if count else b"")
    registered = _wait_until_counted(stack, batch, before, sent, marked)
    return Sent(sent, known, unreadable, left_out, marked, registered)


def _is_open(stack: Stack, batch: str) -> bool:
    latest = stack.runs.latest(batch)
    return latest is not None and latest.state == State.OPEN


def _counted(stack: Stack, batch: str) -> _Counted:
    runs = list(stack.runs.of_batch(batch))
    return _Counted(sum(r.uploads for r in runs), runs[-1].marker_sequencer if runs else "")


def _wait_until_counted(
    stack: Stack, batch: str, before: _Counted, sent: int, marked: bool
) -> bool:
    """Whether the runs told of what was sent within a minute: S3's events take some seconds."""
    deadline = monotonic() + _REGISTER_SECONDS
    while monotonic() < deadline:
        now = _counted(stack, batch)
        news = now.marker != before.marker or not marked
        if now.uploads >= before.uploads + sent and news:
            return True
        sleep(0.5)
    return False


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
    stack: Stack, folder: str, batch: str, there: dict[str, tuple[int, str]], entry: Entry
) -> bool | str:
    """Whether the file had to be sent; where it cannot be read, its name and the reason."""
    name, path = entry.key.removeprefix(f"{folder}/"), file_of(entry)
    if entry.refusal:
        return f"{printable(name)} ({entry.refusal})"
    try:
        if path.stat().st_size > _MOST_BYTES:
            return f"{printable(name)} (larger than 1 GB: no image is)"
        data = read_regular(path)
    except OSError as error:
        return f"{printable(name)} ({error.strerror})"
    key = f"{batch}/{name}"
    size, etag = there.get(key, (-1, ""))
    try:
        if size == len(data) and _is_same(stack, key, etag, data):
            return False
        put_bytes(stack, key, data)
    except (ClientError, BotoCoreError) as error:
        raise DarkroomError(
            f"{printable(name)} could not be stored: {error}. What was sent before is kept; the "
            "same command goes on where it was"
        ) from error
    return True


def _is_same(stack: Stack, key: str, etag: str, data: bytes) -> bool:
    """By the ETag, where it is the content's MD5 (not with KMS, not in parts), or by our own."""
    if etag == hashlib.md5(data, usedforsecurity=False).hexdigest():
        return True
    known = stack.s3.head_object(Bucket=stack.uploads, Key=key)["Metadata"].get(_SHA256)
    return bool(known == hashlib.sha256(data).hexdigest())


def tell(sent: Sent, batch: str, ready: bool, for_programs: bool = False) -> None:
    """What happened. Raises `DarkroomError` where files could not be sent."""
    if for_programs:
        say_json({"batch": batch, **asdict(sent)})
        if sent.unreadable:
            raise DarkroomError(f"{len(sent.unreadable)} files could not be read")
        return
    known = f", {sent.known} were there already" if sent.known else ""
    say(f"{sent.sent} files sent to batch {printable(batch)}{known}")
    if sent.left_out:
        say(f"left out: {in_words(sent.left_out)}; --follow-links takes in what links lead to")
    if sent.unreadable:
        unmarked = "; the batch is not marked as ready" if ready else ""
        raise DarkroomError(
            f"{len(sent.unreadable)} files could not be read and were not sent{unmarked}: "
            + in_words(sent.unreadable)
        )
    if ready and not sent.marked:
        say("nothing is new, so there is nothing to close")
    if not sent.registered:
        say("S3 has not told of all of them yet; `darkroom status` shows when it has")
