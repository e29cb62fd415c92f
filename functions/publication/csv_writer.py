"""The CSV export by multipart upload: constant memory, and it can stop and go on elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError

from darkroom.errors import ConflictError, LostAnswerError, TransientError
from darkroom.layout import Run
from darkroom.run.csv_export import csv_chunks
from darkroom.storage.parquet import COMPONENTS
from darkroom.storage.store import Requirement
from functions.aws.bucket import Bucket, condition_of, raise_unless_refused

_PART_BYTES = 8 * 1024 * 1024  # S3 wants 5 MB at least
_VERSION = "pca-version"
_ERASURE = "erasure"


@dataclass(frozen=True)
class Progress:
    """An export that stopped: what has been read, and what has been uploaded of which file.
    `replaces` is the ETag of the file it takes the place of;
    '' where there was none."""

    batch: str
    run: int
    version: int
    upload_id: str
    files: int
    parts: int
    replaces: str = ""

    def is_of(self, run: Run, version: int) -> bool:
        """Whether this is the export of that run in that PCA version."""
        return (self.batch, self.run, self.version) == (run.batch, run.number, version)

    def to_map(self) -> dict[str, Any]:
        """As the run's record keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class Present:
    """The CSV that is there: its PCA version (0: none), the last erasure that it reflects, and its
    ETag."""

    version: int
    erasure: int
    etag: str


@dataclass(frozen=True)
class CsvWriter:
    """Writes `Results_CSV/` with the PCA version and the erasure in each object's metadata."""

    results: Bucket
    byte_order_mark: bool = False
    part_bytes: int = _PART_BYTES

    def present(self, run: Run) -> Present:
        """What is there of the run's CSV."""
        try:
            answer = self.results.s3.head_object(Bucket=self.results.name, Key=run.csv)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return Present(0, 0, "")
        told = answer["Metadata"]
        return Present(int(told.get(_VERSION, 0)), int(told.get(_ERASURE, 0)), answer["ETag"])

    def export(
        self,
        run: Run,
        version: int,
        earlier: Progress | None,
        out_of_time: Callable[[], bool],
        erasure: int = 0,
    ) -> Progress | None:
        """Write the run's CSV unless it is there and knows of the erasure; None when it is
        complete, else from where to go on.

        Readers see the old file until the new one is complete. `earlier` is where another
        invocation stopped; one of another run or version, or that S3 has forgotten, is left.
        Raises `ConflictError` where another invocation wrote the file meanwhile, `TransientError`
        where a job is still writing the coordinates.
        """
        present = self.present(run)
        if present.version == version and present.erasure >= erasure:
            return None
        self._require_complete(run, version)
        if earlier is not None and earlier.is_of(run, version):
            try:
                return self._go_on(run, earlier, out_of_time)
            except self.results.s3.exceptions.NoSuchUpload:  # expired
                pass
        created = self.results.s3.create_multipart_upload(
            Bucket=self.results.name,
            Key=run.csv,
            ContentType="text/csv; charset=utf-8",
            Metadata={
                _VERSION: str(version),
                _ERASURE: str(max(present.erasure, erasure)),
            },
        )
        begun = Progress(run.batch, run.number, version, created["UploadId"], 0, 0, present.etag)
        return self._go_on(run, begun, out_of_time)

    def _require_complete(self, run: Run, version: int) -> None:
        """Each file of features has its coordinates: a refit by another job may be under way."""
        features = _names(self.results.list(run.results, ".parquet"))
        if _names(self.results.list(run.results_pca(version), ".parquet")) != features:
            raise TransientError(f"{run}: not all coordinates of version {version} are there yet")

    def _go_on(
        self, run: Run, progress: Progress, out_of_time: Callable[[], bool]
    ) -> Progress | None:
        waiting = bytearray()
        mark = self.byte_order_mark
        chunks = csv_chunks(self.results, run, progress.version, COMPONENTS, progress.files, mark)
        files = progress.files if progress.files else -1  # the header comes before the first file
        for chunk in chunks:
            waiting += chunk
            files += 1
            if len(waiting) >= self.part_bytes:
                self._upload(run, progress, waiting)
                progress = replace(progress, files=files, parts=progress.parts + 1)
                waiting = bytearray()
                if out_of_time():
                    return progress
        if waiting:
            self._upload(run, progress, waiting)
            progress = replace(progress, parts=progress.parts + 1)
        self._complete(run, progress)
        return None

    def _upload(self, run: Run, progress: Progress, data: bytearray) -> None:
        self.results.s3.upload_part(
            Bucket=self.results.name,
            Key=run.csv,
            UploadId=progress.upload_id,
            PartNumber=progress.parts + 1,
            Body=bytes(data),
        )

    def _complete(self, run: Run, progress: Progress) -> None:
        name = {"Bucket": self.results.name, "Key": run.csv, "UploadId": progress.upload_id}
        pages = self.results.s3.get_paginator("list_parts").paginate(**name)
        stored = [part for page in pages for part in page.get("Parts", [])]
        parts = [
            {"PartNumber": part["PartNumber"], "ETag": part["ETag"]}
            for part in stored
            if part["PartNumber"] <= progress.parts
        ]
        unwritten = _as_begun(progress)
        try:
            self.results.s3.complete_multipart_upload(
                **name, MultipartUpload={"Parts": parts}, **condition_of(unwritten)
            )
        except (ClientError, HTTPClientError) as error:
            self._look_again(run, progress, unwritten, error)

    def _look_again(
        self,
        run: Run,
        progress: Progress,
        unwritten: Requirement,
        error: ClientError | HTTPClientError,
    ) -> None:
        """Return where the file is there after all: only the answer was lost."""
        try:
            raise_unless_refused(error, run.csv)
        except LostAnswerError:
            there = self.present(run)
            if there.version == progress.version and there.etag != progress.replaces:
                return
            raise
        raise ConflictError(f"{run.csv}: {unwritten.broken}") from error


def _as_begun(progress: Progress) -> Requirement:
    return Requirement(
        progress.replaces or None,
        "the CSV is the one that was there when this was begun",
        "another invocation has written it meanwhile",
    )


def _names(keys: Sequence[str]) -> set[str]:
    return {key.rpartition("/")[2] for key in keys}
