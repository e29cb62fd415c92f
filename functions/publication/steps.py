"""From a submitted job to results that readers see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from darkroom.coordinates.pointer import current_number, runs_with_share
from darkroom.errors import (
    ConflictError,
    ObjectNotFoundError,
    TransientError,
    UnbalancedReceiptError,
)
from darkroom.run import receipt
from darkroom.run.receipt import Duplicates, Receipt
from functions.publication.csv_writer import CsvWriter, Progress
from functions.publication.glue_catalog import GlueCatalog
from functions.publication.job_end import JobEnd, with_bill
from functions.publication.job_watch import JobWatch
from functions.publication.notifier import Notifier
from functions.publication.prices import Prices
from functions.runs.queues import WorkQueues
from functions.runs.records import RunRecord, State
from functions.runs.state_machine import Step
from functions.runs.table import RunTable


@dataclass(frozen=True)
class Completion:
    """The steps of `catalog_results`.

    `out_of_time` tells when this invocation must end soon; `report` is told of every run that is
    done or has failed.
    """

    runs: RunTable
    queues: WorkQueues
    jobs: JobWatch
    catalog: GlueCatalog
    csv: CsvWriter
    notifier: Notifier
    prices: Prices
    out_of_time: Callable[[], bool]
    report: Callable[[RunRecord], None]

    @property
    def steps(self) -> Mapping[State, Step]:
        """What is done in which state."""
        return {
            State.SUBMITTED: self.end.observe_run,
            State.RUNNING: self.end.observe_run,
            State.SUCCEEDED: self.publish,
            State.DONE: self.refresh,
        }

    @property
    def end(self) -> JobEnd:
        """What the end of a job is to its runs."""
        return JobEnd(self.runs, self.queues, self.jobs, self.csv.results, self.fail)

    def publish(self, record: RunRecord) -> bool:
        """Show the run's results to readers, then call it done. False: more time is needed.

        Raises nothing for a receipt that does not balance: the run has failed, and says why.
        """
        try:
            account = self._receipt(record)
        except UnbalancedReceiptError as error:
            self.fail(record, str(error), unbalanced=True)
            return True
        if record.images:
            self.catalog.add_run(record.key)
            version = current_number(self.csv.results)
            if version:
                self.show_version(version)
                self.catalog.add_coordinates(version, [record.key])
            exported = self._export(record, version)
            if exported is None:
                return False
            record = exported
        self._finish(record, account)
        return True

    def refresh(self, record: RunRecord) -> bool:
        """Bring the CSV of a run that is done into the version in force, if it is in another. False
        also where there is nothing to do."""
        version = current_number(self.csv.results)
        if not is_behind(record, version):
            return False
        try:
            return self._export(record, version) is not None
        except ConflictError:
            raise
        except Exception as error:  # whatever its files can bring about: it comes again
            words = f"its CSV is not in PCA version {version}: {error!r}"
            raise TransientError(words) from error

    def show_version(self, version: int) -> None:
        """Let readers see a version with all runs in it, and each run see to its CSV. Safe to
        repeat: the view moves last."""
        if version > self.catalog.current_version():
            runs = runs_with_share(self.csv.results)
            self.catalog.add_coordinates(version, runs)
            self.queues.look_at_all(runs)
            self.catalog.show_version(version)

    def _export(self, record: RunRecord, version: int) -> RunRecord | None:
        """The run's CSV in a version; None where it takes more time. What is done of it is in the
        record."""
        if not version:
            return record
        earlier = Progress(**record.csv_progress) if record.csv_progress else None
        stopped = self.csv.export(record.key, version, earlier, self.out_of_time)
        record = self.runs.change(
            record,
            changed_at=record.changed_at,
            csv_progress=stopped.to_map() if stopped else {},
            csv_version=record.csv_version if stopped else version,
        )
        if stopped:
            self.queues.look_again(record, 0)
            return None
        return record

    def _receipt(self, record: RunRecord) -> Receipt:
        """The receipt. Raises `UnbalancedReceiptError` where it accounts for anything but the
        run's manifest, or does not exist."""
        if record.images == 0:
            empty = _receipt_over_nothing(record)
            self.csv.results.write(record.key.receipt, receipt.pack(empty))
            return empty
        try:
            account = receipt.unpack(self.csv.results.read(record.key.receipt))
        except ObjectNotFoundError as error:
            raise UnbalancedReceiptError("the job ended well but left no receipt") from error
        account.require_balance()
        if account.found + account.skipped != record.images:
            raise UnbalancedReceiptError(
                f"the receipt accounts for {account.found} images and {account.skipped} other "
                f"files, but the manifest names {record.images}"
            )
        return account

    def _finish(self, record: RunRecord, account: Receipt) -> None:
        record = self.with_late_bill(record)
        cost = self.prices.cost_of(record)
        counts = {
            "processed": account.processed,
            "rejected": account.rejected,
            "missing": account.missing,
        }
        self.notifier.done(record, account, self.prices.words(cost))
        done = self.runs.change(
            record,
            state=State.DONE,
            **counts,
            pca_version=account.pca.version if account.pca else None,
            cost=cost,
            currency=self.prices.currency,
        )
        self.report(done)

    def with_late_bill(self, record: RunRecord) -> RunRecord:
        """With the last attempt's bill, where there was none yet when its job's end was seen."""
        if not record.images or record.billed_attempt == record.attempt:
            return record
        billed = self.jobs.look(record.job_run_id).billed
        bill = with_bill(record, billed, record.job_share)
        return self.runs.change(record, **bill) if bill else record

    def fail(self, record: RunRecord, reason: str, **changes: float) -> None:
        """Let a run or an erasure end, with the reason in words for people."""
        self.notifier.failed(record, reason)
        self.report(self.runs.change(record, state=State.FAILED, reason=reason, **changes))


def is_behind(record: RunRecord, version: int) -> bool:
    """Whether the CSV of a run that is done is still to come into a version. One of whose images
    none is left has no lines to bring there."""
    return record.state == State.DONE and bool(record.images) and record.csv_version < version


def _receipt_over_nothing(record: RunRecord) -> Receipt:
    sealed = datetime.fromtimestamp(record.sealed_at, UTC).isoformat(timespec="seconds")
    return Receipt(
        batch=record.batch,
        run=record.run,
        backbone="",
        found=0,
        processed=0,
        rejected=0,
        missing=0,
        skipped=0,
        rejected_by_reason={},
        duplicates=Duplicates(),
        pca=None,
        seconds={},
        started_at=sealed,
        finished_at=sealed,
        expected=record.expected,
    )
