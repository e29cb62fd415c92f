"""Uploading through the page: forms, what is there already, and closing a batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from unicodedata import category

from botocore.exceptions import ClientError

from darkroom.layout import batch_of, escape
from darkroom.storage.read_ahead import read_ahead
from functions.intake.uploads import MARKER
from functions.web.links import Links
from functions.web.problems import bad_request, not_found

MOST_NAMES = 500
_LOOKS = 16  # at once
_BATCH_BYTES = 200
_NAME_BYTES = 800  # with the batch's, below S3's 1,024


@dataclass(frozen=True)
class UploadView:
    """Answers to who uploads."""

    s3: Any
    bucket: str
    links: Links

    def form(self, batch: str, names: Sequence[str]) -> dict[str, Any]:
        """A form for uploading to a batch, and which of these files it has already: with size and
        SHA-256 (null where another tool has sent it), so that only what differs is sent again."""
        require_name(batch)
        if len(names) > MOST_NAMES:
            raise bad_request(f"ask for {MOST_NAMES} files at a time")
        looked = read_ahead(partial(self._look, batch), names, _LOOKS)
        present = {name: there for name, there in zip(names, looked, strict=True) if there}
        return {**asdict(self.links.upload_form(batch)), "present": present}

    def _look(self, batch: str, name: str) -> dict[str, Any] | None:
        if not _is_plain(name) or len(name.encode()) > _NAME_BYTES:
            return None
        try:
            there = self.s3.head_object(Bucket=self.bucket, Key=f"{batch}/{name}")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return None
        return {"size_bytes": there["ContentLength"], "sha256": there["Metadata"].get("sha256")}

    def ready(self, batch: str, images: int | None) -> dict[str, Any]:
        """Mark a batch as complete; with a number of images, it closes when so many are there."""
        require_name(batch)
        announced = {} if images is None else {"images": images}
        body = json.dumps(announced).encode() if announced else b""
        self.s3.put_object(Bucket=self.bucket, Key=f"{batch}/{MARKER}", Body=body)
        return {"marked": True}


def require_name(batch: str) -> None:
    """Raise `ProblemError` unless a folder of this name would be a batch of this name."""
    usable = batch_of(f"{batch}/x", "") == batch and len(escape(batch).encode()) <= _BATCH_BYTES
    if not usable or batch != batch.strip() or not _is_plain(batch):
        raise not_found(
            "a batch is called like a folder: without slashes, line breaks and spaces at the ends, "
            "and not too long"
        )


def _is_plain(name: str) -> bool:
    """Whether every tool can spell the name: no control characters, no halves of characters."""
    return not any(category(letter) in ("Cc", "Cs") or letter in "\ufffe\uffff" for letter in name)
