"""A bucket as a `Store`, through boto3: what the functions read and write results with."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from darkroom.errors import (
    ConflictError,
    LostAnswerError,
    ObjectNotFoundError,
    TransientError,
)
from darkroom.storage.store import Requirement, Store, Stored, Versioned


@dataclass(frozen=True)
class Version:
    """One version of an object. Its ETag has no quotes, as in S3's events."""

    id: str
    etag: str


class Bucket(Store):
    """`s3` is a boto3 client."""

    read_ahead = 8

    def __init__(self, s3: Any, name: str) -> None:
        self.uri, self.name, self.s3 = f"s3://{name}", name, s3

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """See `Store`. Versions are not looked at."""
        return self.read_versioned(key).data

    def read_versioned(self, key: str) -> Versioned:
        """See `Store`."""
        answer = self._get(Key=key)
        return Versioned(answer["Body"].read(), answer["ETag"])

    def _get(self, **asked: str) -> dict[str, Any]:
        try:
            return dict(self.s3.get_object(Bucket=self.name, **asked))
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            raise ObjectNotFoundError(f"{self.uri}/{asked['Key']} is not there") from error

    def read_lines(self, key: str) -> Iterator[str]:
        """The lines of a UTF-8 text with their ends, as a stream. Raises `ObjectNotFoundError`."""
        body = self._get(Key=key)["Body"]
        return iter(io.TextIOWrapper(io.BufferedReader(_Streamed(body)), "utf-8", newline=""))

    def size(self, key: str) -> int:
        """See `Store`."""
        try:
            return int(self.s3.head_object(Bucket=self.name, Key=key)["ContentLength"])
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            raise ObjectNotFoundError(f"{self.uri}/{key} is not there") from error

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `Store`."""
        span = f"bytes={start}-{start + length - 1}"
        answer = self._get(Key=key, Range=span)
        return bytes(answer["Body"].read())

    def write(self, key: str, data: bytes) -> None:
        """See `Store`."""
        self.s3.put_object(Bucket=self.name, Key=key, Body=data)

    def write_chunks(self, key: str, chunks: Iterator[bytes]) -> None:
        """See `Store`. Holds all of it in memory: large files have a writer of their own."""
        self.write(key, b"".join(chunks))

    def write_if(self, key: str, data: bytes, requirement: Requirement) -> None:
        """See `Store`. boto3 tries again by itself: what is refused then may be our own first."""
        try:
            self.s3.put_object(Bucket=self.name, Key=key, Body=data, **condition_of(requirement))
        except (ClientError, HTTPClientError) as error:
            raise_unless_refused(error, f"{self.uri}/{key}")
            raise ConflictError(f"{self.uri}/{key}: {requirement.broken}") from error

    def write_version(self, key: str, data: bytes) -> Version:
        """Write an object of a bucket that keeps versions; the new one."""
        answer = self.s3.put_object(Bucket=self.name, Key=key, Body=data)
        return Version(answer["VersionId"], answer["ETag"].strip('"'))

    def version(self, key: str, version_id: str | None = None) -> str | None:
        """The id of the version that an object has now, or of the one that is asked for; None where
        it is not there."""
        which = {"VersionId": version_id} if version_id else {}
        try:
            answer = self.s3.head_object(Bucket=self.name, Key=key, **which)
        except ClientError as error:
            # 405: it is a mark that something was deleted
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 405):
                raise
            return None
        return str(answer["VersionId"])

    def remove_version(self, key: str, version_id: str | None) -> None:
        """Delete a version for good. Repeating it changes nothing."""
        self.s3.delete_object(Bucket=self.name, Key=key, VersionId=version_id)

    def stored(self, prefix: str) -> dict[str, Stored]:
        """See `Store`."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=f"{prefix}/"
        )
        found = {
            item["Key"]: Stored(item["Size"], item["LastModified"].timestamp())
            for page in pages
            for item in page.get("Contents", [])
        }
        return dict(sorted(found.items()))

    def delete(self, keys: Sequence[str]) -> None:
        """See `Store`."""
        for start in range(0, len(keys), 1000):
            named = [{"Key": key} for key in keys[start : start + 1000]]
            answer = self.s3.delete_objects(
                Bucket=self.name, Delete={"Objects": named, "Quiet": True}
            )
            if answer.get("Errors"):
                raise TransientError(f"{self.uri}: not deleted: {answer['Errors'][:3]}")


def condition_of(requirement: Requirement) -> dict[str, str]:
    """As S3's writes take it."""
    return {"IfMatch": requirement.etag} if requirement.etag else {"IfNoneMatch": "*"}


def raise_unless_refused(error: ClientError | HTTPClientError, what: str) -> None:
    """Return where S3 refused a condition at the first try, and nothing landed. Raises
    `LostAnswerError` where the write may have landed, and any other error again."""
    if isinstance(error, HTTPClientError):
        raise LostAnswerError(f"{what} may be written or not: {error}") from error
    told = error.response["ResponseMetadata"]
    status = told["HTTPStatusCode"]
    refused = status in (404, 409, 412)
    if status >= 500 or (refused and told.get("RetryAttempts")):
        raise LostAnswerError(f"{what} may be written or not: {error}") from error
    if not refused:
        raise error


class _Streamed(io.RawIOBase):
    """A response's body as a raw file."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
