"""A bucket as a `Store`, through obstore, which leaves Python's lock free while it waits."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from darkroom.errors import (
    ConflictError,
    LostAnswerError,
    ObjectNotFoundError,
    UnreadableObjectError,
    UsageError,
)
from darkroom.regions import region_of
from darkroom.storage.s3_refusals import breaks_off, refused, refused_by_text
from darkroom.storage.store import Requirement, Store, Stored, Versioned

_READ_TRIES = 3  # of an answer that breaks off, which obstore does not try again
_REFUSED_BY_OBSTORE = re.compile(r"[\x00-\x1f\x7f]|//|^/|/$|(^|/)\.{1,2}(/|$)")


class S3Store(Store):
    """A bucket, or a prefix of one, through obstore; keys it refuses go through boto3."""

    read_ahead = 32

    def __init__(self, bucket: str, prefix: str = "") -> None:
        from obstore.store import S3Store as ObstoreBucket

        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        options: Any = {"client_options": {"allow_http": True}} if endpoint[:5] == "http:" else {}
        if (region_of(os.environ) or "").startswith("eusc-") and not endpoint:
            options["endpoint"] = _endpoint()
        if "AWS_ACCESS_KEY_ID" not in os.environ:
            options["credential_provider"] = _credentials()
        self._store = ObstoreBucket(bucket, **options)
        # a second try would be refused where the first has landed
        self._once = ObstoreBucket(bucket, retry_config={"max_retries": 0}, **options)

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """See `Store`. With `version_id`, that version, unless the object was deleted since."""
        import obstore
        from obstore.exceptions import BaseError

        full = self._prefix + key
        if _REFUSED_BY_OBSTORE.search(full):
            return self._read_by_boto3(full, version_id)
        for left in reversed(range(_READ_TRIES)):
            try:
                answer = obstore.get(self._store, full)
                if version_id not in (None, answer.meta["version"]):  # overwritten since
                    answer = obstore.get(self._store, full, options={"version": version_id})
                return bytes(answer.bytes())
            except (BaseError, FileNotFoundError, PermissionError) as error:
                if not (left and breaks_off(error)):
                    raise refused_by_text(f"{self.uri}/{key}", error) or error from error
        raise AssertionError("the last try returns or raises")

    def _read_by_boto3(self, key: str, version_id: str | None) -> bytes:
        try:
            import boto3
            from botocore.exceptions import ClientError
        except ImportError as error:
            raise UnreadableObjectError(f"{key!r}: reading a key like this needs boto3") from error
        s3, name = boto3.client("s3"), {"Bucket": self._bucket, "Key": key}
        try:
            answer = s3.get_object(**name)
            if version_id not in (None, answer.get("VersionId")):
                answer = s3.get_object(**name, VersionId=version_id)
            return bytes(answer["Body"].read())
        except ClientError as error:
            status, told = (error.response[name] for name in ("ResponseMetadata", "Error"))
            words = told.get("Code", ""), told.get("Message", "")
            raise refused(f"{self.uri}/{key}", status["HTTPStatusCode"], *words) or error from error

    def read_versioned(self, key: str) -> Versioned:
        """See `Store`."""
        import obstore
        from obstore.exceptions import NotFoundError

        try:
            answer = obstore.get(self._store, self._prefix + key)
            return Versioned(bytes(answer.bytes()), str(answer.meta["e_tag"]))
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectNotFoundError(f"{self.uri}/{key} is not there") from error

    def size(self, key: str) -> int:
        """See `Store`."""
        import obstore
        from obstore.exceptions import NotFoundError

        try:
            return int(obstore.head(self._store, self._prefix + key)["size"])
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectNotFoundError(f"{self.uri}/{key} is not there") from error

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `Store`."""
        import obstore
        from obstore.exceptions import NotFoundError

        try:
            return bytes(
                obstore.get_range(self._store, self._prefix + key, start=start, length=length)
            )
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectNotFoundError(f"{self.uri}/{key} is not there") from error

    def write(self, key: str, data: bytes) -> None:
        """See `Store`: one PUT, or a multipart upload that appears when it completes."""
        import obstore

        obstore.put(self._store, self._prefix + key, data)

    def write_chunks(self, key: str, chunks: Iterator[bytes]) -> None:
        """See `Store`: a multipart upload that appears when it completes."""
        import obstore

        obstore.put(self._store, self._prefix + key, chunks)

    def write_if(self, key: str, data: bytes, requirement: Requirement) -> None:
        """See `Store`: `If-Match`, or `If-None-Match: *`."""
        import obstore
        from obstore.exceptions import (
            AlreadyExistsError,
            GenericError,
            NotFoundError,
            PreconditionError,
        )  # fmt: skip

        mode: Any = "create" if requirement.etag is None else {"e_tag": requirement.etag}
        try:
            obstore.put(self._once, self._prefix + key, data, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError, NotFoundError, FileExistsError) as error:
            raise ConflictError(f"{self.uri}/{key}: {requirement.broken}") from error
        except GenericError as error:
            raise LostAnswerError(f"{self.uri}/{key} may be written or not: {error}") from error

    def stored(self, prefix: str) -> dict[str, Stored]:
        """See `Store`."""
        import obstore

        pages = obstore.list(self._store, prefix=self._prefix + prefix, chunk_size=1000)
        found = {
            str(meta["path"])[len(self._prefix) :]: Stored(
                int(meta["size"]), meta["last_modified"].timestamp()
            )
            for page in pages
            for meta in page
        }
        return dict(sorted(found.items()))

    def delete(self, keys: Sequence[str]) -> None:
        """See `Store`."""
        import obstore

        if keys:
            obstore.delete(self._store, [self._prefix + key for key in keys])


def _endpoint() -> str:
    """As boto3 knows it: obstore knows one partition's addresses alone."""
    import boto3

    return str(boto3.client("s3").meta.endpoint_url)


def _credentials() -> Any:
    """Credentials as boto3 finds them: obstore by itself knows neither profiles nor the way that
    EMR Serverless gives a job its role (a container's URI without a token)."""
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(ttl=timedelta(minutes=5))  # boto3 renews them in time
    except ValueError as error:
        raise UsageError(
            "there are no AWS credentials: `aws configure sso`, or set AWS_PROFILE"
        ) from error


@lru_cache
def s3_store(bucket: str, prefix: str) -> S3Store:
    """One store a bucket and prefix: clients are costly."""
    return S3Store(bucket, prefix)
