"""The uploads bucket with all its versions. Images are listed and deleted here, never read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import sleep
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

_AT_ONCE = 1000
_TRIES = 5
_PAUSE_SECONDS = 0.5
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # requests name keys in XML


class StoredVersion(NamedTuple):
    """A version of an object, or a delete marker. `stored_at` is ISO 8601."""

    key: str
    version_id: str
    is_marker: bool
    stored_at: str


class Left(NamedTuple):
    """An object that could not be erased, or not be looked for: its key, and why, without it."""

    key: str
    reason: str


class Unfinished(NamedTuple):
    """A multipart upload that was never completed: its parts are stored all the same."""

    key: str
    upload_id: str


@dataclass(frozen=True)
class Uploads:
    """`s3` is a boto3 client."""

    s3: Any
    bucket: str

    def found(self, prefix: str) -> list[StoredVersion] | Left:
        """`versions`, or why they cannot be listed: one name must not stop all others."""
        try:
            return self.versions(prefix)
        except (ClientError, BotoCoreError) as error:
            return Left(prefix, f"its versions cannot be listed: {_code_of(error)}")

    def versions(self, prefix: str) -> list[StoredVersion]:
        """All versions and delete markers of keys that start so."""
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return [
            StoredVersion(
                item["Key"],
                item["VersionId"],
                kind == "DeleteMarkers",
                item["LastModified"].isoformat(),
            )
            for page in pages
            for kind in ("Versions", "DeleteMarkers")
            for item in page.get(kind, [])
        ]

    def unfinished(self) -> Iterator[Unfinished]:
        """All multipart uploads under way or forgotten."""
        pages = self.s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket, EncodingType="url"
        )
        for page in pages:
            spell = unquote_plus if page.get("EncodingType") == "url" else str
            for item in page.get("Uploads", []):
                yield Unfinished(spell(item["Key"]), item["UploadId"])

    def delete(self, versions: Sequence[StoredVersion]) -> list[Left]:
        """Remove versions and markers for good; what S3 refuses to remove. Those already gone are
        no error."""
        awkward = [version for version in versions if _NOT_IN_XML.search(version.key)]
        plain = [version for version in versions if not _NOT_IN_XML.search(version.key)]
        left = [one for version in awkward for one in self._delete_alone(version)]
        for start in range(0, len(plain), _AT_ONCE):
            left += self._delete(plain[start : start + _AT_ONCE])
        return sorted(set(left))

    def _delete(self, versions: Sequence[StoredVersion]) -> list[Left]:
        """S3 may refuse some of the objects for the moment, in an answer that is no error."""
        named = [{"Key": one.key, "VersionId": one.version_id} for one in versions]
        for attempt in range(_TRIES):
            try:
                answer = self.s3.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": named, "Quiet": True}
                )
            except ClientError:  # of all of them: which one it is about is not said
                return [left for version in versions for left in self._delete_alone(version)]
            errors = answer.get("Errors", [])
            if not errors:
                return []
            named = [{"Key": e["Key"], "VersionId": e["VersionId"]} for e in errors]
            sleep(_PAUSE_SECONDS * 2**attempt)
        return [Left(e["Key"], f"S3 refuses to delete it: {e['Code']}") for e in errors]

    def _delete_alone(self, version: StoredVersion) -> list[Left]:
        try:
            self.s3.delete_object(Bucket=self.bucket, Key=version.key, VersionId=version.version_id)
        except (ClientError, BotoCoreError) as error:
            return [Left(version.key, f"S3 refuses to delete it: {_code_of(error)}")]
        return []

    def abort(self, unfinished: Iterable[Unfinished]) -> list[Left]:
        """Remove the parts of uploads that were never completed; what S3 refuses to remove."""
        left: list[Left] = []
        for upload in unfinished:
            try:
                self.s3.abort_multipart_upload(
                    Bucket=self.bucket, Key=upload.key, UploadId=upload.upload_id
                )
            except self.s3.exceptions.NoSuchUpload:
                continue
            except (ClientError, BotoCoreError) as error:
                left.append(Left(upload.key, f"S3 refuses to abort it: {_code_of(error)}"))
        return left


def _code_of(error: ClientError | BotoCoreError) -> str:
    """S3's own code: its messages name the object."""
    if isinstance(error, ClientError):
        return str(error.response["Error"].get("Code", "unknown"))
    return type(error).__name__
