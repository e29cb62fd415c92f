"""Presigned links: who has one may do one thing, for minutes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

GET_SECONDS = 300
POST_SECONDS = 900


@dataclass(frozen=True)
class Form:
    """Where and with which fields to POST files, whose keys must start with `key_prefix`."""

    url: str
    fields: Mapping[str, str]
    key_prefix: str
    max_bytes: int
    expires_in_seconds: int


def signing_client() -> Any:
    """An S3 client whose links name the bucket's own host, in its region."""
    return boto3.client("s3", config=Config(signature_version="s3v4",
                                            s3={"addressing_style": "virtual"}))  # fmt: skip


@dataclass(frozen=True)
class Links:
    """Makes links. `s3` is `signing_client()`."""

    s3: Any
    uploads: str
    results: str
    max_bytes: int

    def result(self, key: str, name: str, kind: str = "application/octet-stream") -> str:
        """To download one object of the results as a file of that name."""
        return self._get(
            Bucket=self.results,
            Key=key,
            ResponseContentDisposition=f'attachment; filename="{_plain(name)}"',
            ResponseContentType=kind,
        )

    def original(self, key: str) -> str:
        """To see an uploaded image: as a picture, whatever its sender called it."""
        return self._get(Bucket=self.uploads, Key=key, ResponseContentType="image/*",
                         ResponseContentDisposition="inline")  # fmt: skip

    def _get(self, **asked: str) -> str:
        link: str = self.s3.generate_presigned_url("get_object", asked, GET_SECONDS)
        return link

    def upload_form(self, batch: str) -> Form:
        """To upload images to a batch, any number of them: S3 checks size and type of each."""
        prefix = f"{batch}/"
        told = self.s3.generate_presigned_post(
            self.uploads,
            f"{prefix}${{filename}}",
            Conditions=[
                ["starts-with", "$key", prefix],
                ["starts-with", "$Content-Type", "image/"],
                ["starts-with", "$x-amz-meta-sha256", ""],
                ["content-length-range", 0, self.max_bytes],
            ],
            ExpiresIn=POST_SECONDS,
        )
        fields = {name: value for name, value in told["fields"].items() if name != "key"}
        return Form(told["url"], fields, prefix, self.max_bytes, POST_SECONDS)

    @property
    def origins(self) -> list[str]:
        """The addresses that links lead to: of the uploads, and of the results."""
        links = (self.original("x"), self.result("x", "x"))
        return list(dict.fromkeys(origin_of(link) for link in links))


def origin_of(url: str) -> str:
    """Scheme and host of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
