"""Objects by URI: a folder (`file://`) or a bucket (`s3://`), read and written alike.

Files are read by Python itself, since object-store libraries refuse some legal file names; buckets
by obstore, which leaves Python's lock free while it waits.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from darkroom.errors import ConflictError, ObjectNotFoundError, UnreadableObjectError, UsageError

_REFUSED_BY_OBSTORE = re.compile(r"[\x00-\x1f\x7f]|//|^/|/$|(^|/)\.{1,2}(/|$)")


@dataclass(frozen=True, slots=True)
class Versioned:
    """An object's bytes and the ETag to name in a conditional write."""

    data: bytes
    etag: str


class Store(Protocol):
    """A place that holds objects under keys. Every method is safe to repeat.

    `read_ahead` is how many reads are worth having under way at once.
    """

    uri: str
    read_ahead: int

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """The object's bytes. Raises `ObjectNotFoundError` or `UnreadableObjectError`.

        `version_id` names the version that was meant, where it was overwritten since; an object
        that was deleted since is not there, though an old version of it may be.
        """

    def read_versioned(self, key: str) -> Versioned:
        """The object's bytes with its ETag. Raises `ObjectNotFoundError`."""

    def size(self, key: str) -> int:
        """The object's size in bytes. Raises `ObjectNotFoundError`."""

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """Some of the object's bytes. Raises `ObjectNotFoundError`."""

    def write(self, key: str, data: bytes) -> None:
        """Replace the object as a whole: readers see the old bytes or the new ones."""

    def write_chunks(self, key: str, chunks: Iterator[bytes]) -> None:
        """Like `write`, without holding the whole object in memory."""

    def write_if(self, key: str, data: bytes, etag: str | None) -> None:
        """Write on condition that the ETag still holds (None: no object). Else `ConflictError`."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """The keys below the folder `prefix`, sorted, with their sizes in bytes."""

    def list(self, prefix: str, ending: str = "") -> list[str]:
        """The keys below the folder `prefix` that end so, sorted."""
        return [key for key in self.sizes(prefix) if key.endswith(ending)]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those already gone are no error."""


def open_store(uri: str) -> Store:
    """The store at `s3://bucket[/prefix]`, `file:///folder` or a plain folder path."""
    parts = urlsplit(uri)
    if parts.scheme in ("s3", "s3a"):
        return _s3_store(parts.netloc, parts.path.strip("/"))
    if parts.scheme == "file":
        return LocalStore(Path(unquote(parts.path)))
    if "://" not in uri:
        return LocalStore(Path(uri))
    raise UsageError(f"{uri}: only s3://, file:// and folder paths can be read or written")


def read_uri(uri: str) -> bytes:
    """The bytes of one file or object, by URI or path."""
    if "://" not in uri:
        return LocalStore(Path(uri).absolute().parent).read(Path(uri).name)
    store, _, key = uri.rpartition("/")
    return open_store(store).read(unquote(key) if store.startswith("file:") else key)


class LocalStore(Store):
    """A folder; keys are paths below it."""

    read_ahead = 4

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.uri = self.root.as_uri()

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """See `Store`. A folder has no versions: `version_id` is ignored."""
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFoundError(f"{self.root / key} is not there") from error
        except OSError as error:  # no permission, a folder, a loop of links
            raise UnreadableObjectError(f"{self.root / key}: {error.strerror}") from error

    def read_versioned(self, key: str) -> Versioned:
        """See `Store`. The ETag is the content's SHA-256."""
        data = self.read(key)
        return Versioned(data, hashlib.sha256(data).hexdigest())

    def size(self, key: str) -> int:
        """See `Store`."""
        try:
            return (self.root / key).stat().st_size
        except FileNotFoundError as error:
            raise ObjectNotFoundError(f"{self.root / key} is not there") from error

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `Store`."""
        try:
            with (self.root / key).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError as error:
            raise ObjectNotFoundError(f"{self.root / key} is not there") from error

    def write(self, key: str, data: bytes) -> None:
        """See `Store`."""
        self.write_chunks(key, iter([data]))

    def write_chunks(self, key: str, chunks: Iterator[bytes]) -> None:
        """See `Store`: a temporary file beside the target, then a rename."""
        target = self.root / key
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.parent / f".{uuid4().hex}.partial"
            with temporary.open("xb") as file:
                file.writelines(chunks)
            os.replace(temporary, target)
        except OSError as error:
            raise UsageError(f"cannot write {target}: {error.strerror}") from error

    def write_if(self, key: str, data: bytes, etag: str | None) -> None:
        """See `Store`. Processes on one machine are kept apart by the caller's lock."""
        try:
            current: str | None = self.read_versioned(key).etag
        except ObjectNotFoundError:
            current = None
        if current != etag:
            raise ConflictError(f"{self.root / key} was changed by someone else")
        self.write(key, data)

    def sizes(self, prefix: str) -> dict[str, int]:
        """See `Store`. Unfinished writes are left out."""
        found = {
            path.relative_to(self.root).as_posix(): path.stat().st_size
            for path in (self.root / prefix).rglob("*")
            if path.is_file() and not (path.name[0] == "." and path.name.endswith(".partial"))
        }
        return dict(sorted(found.items()))

    def delete(self, keys: Iterable[str]) -> None:
        """See `Store`."""
        for key in keys:
            (self.root / key).unlink(missing_ok=True)


class S3Store(Store):
    """A bucket, or a prefix of one, through obstore; keys it refuses go through boto3."""

    read_ahead = 32

    def __init__(self, bucket: str, prefix: str = "") -> None:
        from obstore.store import S3Store as ObstoreBucket

        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
        options: Any = {"client_options": {"allow_http": True}} if endpoint[:5] == "http:" else {}
        if "AWS_ACCESS_KEY_ID" not in os.environ:
            options["credential_provider"] = _credentials()
        self._store = ObstoreBucket(bucket, **options)

    def read(self, key: str, version_id: str | None = None) -> bytes:
        """See `Store`. With `version_id`, that version, unless the object was deleted since."""
        import obstore
        from obstore.exceptions import NotFoundError, PermissionDeniedError

        full = self._prefix + key
        if _REFUSED_BY_OBSTORE.search(full):
            return self._read_by_boto3(full, version_id)
        try:
            answer = obstore.get(self._store, full)
            if version_id not in (None, answer.meta["version"]):  # overwritten since
                answer = obstore.get(self._store, full, options={"version": version_id})
            return bytes(answer.bytes())
        except (NotFoundError, FileNotFoundError) as error:
            raise ObjectNotFoundError(f"{self.uri}/{key} is not there") from error
        except (PermissionDeniedError, PermissionError) as error:
            raise UnreadableObjectError(f"{self.uri}/{key}: access denied") from error

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
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status in (404, 405):  # 405: the version is a delete marker
                raise ObjectNotFoundError(f"s3://{self._bucket}/{key} is not there") from error
            if status == 403:
                raise UnreadableObjectError(f"{self.uri}/{key}: access denied") from error
            raise

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

    def write_if(self, key: str, data: bytes, etag: str | None) -> None:
        """See `Store`: `If-Match`, or `If-None-Match: *`."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

        mode: Any = "create" if etag is None else {"e_tag": etag}
        try:
            obstore.put(self._store, self._prefix + key, data, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError, NotFoundError, FileExistsError) as error:
            raise ConflictError(f"{self.uri}/{key} was changed by someone else") from error

    def sizes(self, prefix: str) -> dict[str, int]:
        """See `Store`."""
        import obstore

        pages = obstore.list(self._store, prefix=self._prefix + prefix, chunk_size=1000)
        found = {
            str(meta["path"])[len(self._prefix) :]: int(meta["size"])
            for page in pages
            for meta in page
        }
        return dict(sorted(found.items()))

    def delete(self, keys: Sequence[str]) -> None:
        """See `Store`."""
        import obstore

        if keys:
            obstore.delete(self._store, [self._prefix + key for key in keys])


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
def _s3_store(bucket: str, prefix: str) -> S3Store:
    return S3Store(bucket, prefix)
