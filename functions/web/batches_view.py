"""Batches and runs as the API tells of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from http import HTTPStatus
from itertools import islice
from time import time
from typing import Any

from darkroom.coordinates.pointer import current_number
from darkroom.errors import ObjectNotFoundError
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.run.progress import Progress, read_progress
from darkroom.storage.parquet import from_parquet
from functions.aws.bucket import Bucket
from functions.runs.batch_complete import ClosingRules, closing_of
from functions.runs.records import FINISHED, RunRecord, State
from functions.runs.table import RunTable
from functions.runs.wording import words
from functions.web.batch_list import BatchList, Place
from functions.web.known_batches import existing_runs, runs_of
from functions.web.links import Links
from functions.web.names import id_of
from functions.web.problems import ProblemError, not_found

_PAGE = 100
_MOST_LINKS = 1000  # of a kind


@dataclass(frozen=True)
class RunsView:
    """Answers about runs."""

    runs: RunTable
    results: Bucket
    links: Links
    rules: ClosingRules
    known: BatchList

    def batches(self, most: int, after: Place | None) -> dict[str, Any]:
        """A page of all batches, the last changed first, each with its newest run; `next` is where
        the next page begins."""
        version = current_number(self.results)
        found = list(islice(self.known.newest_first(after), most + 1))
        page = [self._batch(records[-1], records, version) for records in found[:most]]
        following = None
        if len(found) > most:
            last = found[most - 1][-1]
            following = Place(last.changed_at, last.batch).text
        return {"batches": page, "next": following}

    def batch(self, batch: str) -> dict[str, Any]:
        """One batch with all its runs, the newest first."""
        records = existing_runs(self.runs, batch)
        version = current_number(self.results)
        runs = [self.told(record, version) for record in reversed(records)]
        return {**self._batch(records[-1], records, version), "runs": runs}

    def run(self, run: Run) -> dict[str, Any]:
        """One run."""
        return self.told(self._record(run), current_number(self.results))

    def require_something_to_close(self, batch: str) -> None:
        """Raise `ProblemError` where all runs of the batch have ended: marking it now would make an
        empty run, which stands before the one with the images."""
        records = runs_of(self.runs, batch)
        if records and all(record.state in FINISHED for record in records):
            raise ProblemError(
                HTTPStatus.CONFLICT,
                f"no upload is known since run {records[-1].run} ended: there is nothing to close. "
                "S3 may tell of the latest a few seconds late: try again, or say how many 'images'",
            )

    def receipt(self, run: Run) -> dict[str, Any]:
        """The run's receipt. Raises `ProblemError` before there is one."""
        self._record(run)
        try:
            account = receipt.unpack(self.results.read(run.receipt))
        except ObjectNotFoundError as error:
            raise not_found("this run has no receipt yet") from error
        return {**asdict(account), "balanced": account.balanced, "equation": account.equation}

    def rejected(self, run: Run, after: tuple[str, int]) -> dict[str, Any]:
        """A page of the images that could not be processed: those after a row of a file, the file
        by its name without the ending. What comes before is not read."""
        self._record(run)
        found: list[dict[str, Any]] = []
        begin, row = after
        for file in self.results.list(run.rejected, ".parquet"):
            part = file.rpartition("/")[2].removesuffix(".parquet")
            if part < begin or len(found) > _PAGE:
                continue
            rows = from_parquet(self.results.read(file), ["path", "reason", "detail"]).to_pylist()
            first = row if part == begin else 0
            found += [{**told, "part": part, "row": n} for n, told in enumerate(rows)][first:]
        page = found[:_PAGE]
        following = None
        if len(found) > _PAGE:
            following = f"{page[-1]['part']}@{page[-1]['row'] + 1}"
        told = [{name: row[name] for name in row if name != "row"} for row in page]
        return {"rejected": told, "next": following}

    def files(self, run: Run) -> dict[str, Any]:
        """Links to what the run left, for minutes."""
        if self._record(run).state != State.DONE:
            raise not_found("this run has no results yet: it is not done")
        version = current_number(self.results)
        folders = {"features": run.results, "rejected": run.rejected, "skipped": run.skipped,
                   "coordinates": run.results_pca(version)}  # fmt: skip
        files = [self._file("receipt", run.receipt, "application/json", run)]
        if version and self.results.list(run.results_pca(version)):
            files.append(self._file("csv", run.csv, "text/csv", run))
        for kind, folder in folders.items():
            for key in self.results.list(folder, ".parquet")[:_MOST_LINKS]:
                files.append(self._file(kind, key, "application/vnd.apache.parquet", run))
        return {"pca_version": version, "files": files}

    def _file(self, kind: str, key: str, mime: str, run: Run) -> dict[str, Any]:
        name = f"{run.batch}-run-{run.number}-{kind}-{key.rpartition('/')[2]}"
        return {"kind": kind, "key": key, "url": self.links.result(key, name, mime)}

    def _record(self, run: Run) -> RunRecord:
        found = next((r for r in existing_runs(self.runs, run.batch) if r.run == run.number), None)
        if found is None:
            raise not_found(f"batch {run.batch!r} has no run {run.number}")
        return found

    def _batch(
        self, newest: RunRecord, records: Iterable[RunRecord], version: int
    ) -> dict[str, Any]:
        done = [record for record in records if record.state == State.DONE]
        return {
            "id": id_of(newest.batch),
            "batch": newest.batch,
            "processed": sum(record.processed or 0 for record in done),
            "rejected": sum(record.rejected or 0 for record in done),
            "missing": sum(record.missing or 0 for record in done),
            "newest": self.told(newest, version),
        }

    def told(self, record: RunRecord, version: int) -> dict[str, Any]:
        """A run: its state for programs and in words, and what is known of it. `version` is the PCA
        version in force: every finished run has its coordinates there, whatever its receipt says
        of the day that it was written."""
        running = record.state == State.RUNNING
        progress = read_progress(self.results, record.key) if running else None
        closes = None
        if record.state == State.OPEN:
            closes = round(max(closing_of(record, self.rules).at - time(), 0), 1)
        return {
            "batch": record.batch,
            "run": record.run,
            "state": str(record.state),
            "words": words(record, self.rules, progress),
            "finished": record.state in FINISHED,
            "files": record.uploads if record.images is None else record.images,
            "closes_in_seconds": closes,
            "closed_because": record.closed_because or None,
            "progress": _progress(progress),
            "attempt": record.attempt,
            "reason": record.reason or None,
            "receipt": _account(record),
            "pca_version": version or None if record.pca_version else None,
            "cost": _cost(record),
            "opened_at": record.opened_at,
            "changed_at": record.changed_at,
        }


def _progress(progress: Progress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    return {**asdict(progress), "images_per_second": progress.images_per_second}


def _account(record: RunRecord) -> dict[str, Any] | None:
    if record.processed is None:
        return None
    counts = {"processed": record.processed, "rejected": record.rejected or 0,
              "missing": record.missing or 0}  # fmt: skip
    return {"found": sum(counts.values()), **counts, "balanced": not record.unbalanced}


def _cost(record: RunRecord) -> dict[str, Any] | None:
    if record.cost is None:
        return None
    return {
        "amount": record.cost,
        "currency": record.currency,
        "vcpu_hours": record.vcpu_hours,
        "memory_gb_hours": record.memory_gb_hours,
        "storage_gb_hours": record.storage_gb_hours,
    }
