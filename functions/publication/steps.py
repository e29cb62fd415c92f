"""From a submitted job to results that readers see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from darkroom.coordinates.pointer import current_number
from darkroom.errors import (
    ConflictError,
    ObjectNotFoundError,
    TransientError,
    UnbalancedReceiptError,
)
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.run.receipt import Duplicates, Receipt
from functions.aws.isolation import is_of_the_moment
from functions.aws.observability import logger
from functions.publication.csv_writer import CsvWriter, Progress, left_of
from functions.publication.glue_catalog import GlueCatalog
from functions.publication.job_end import JobEnd, with_bill
from functions.publication.job_watch import JobWatch
from functions.publication.notifier import Notifier
from functions.publication.prices import Prices
from functions.runs.queues import WorkQueues
from functions.runs.records import RunRecord, State, trouble_of
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
            unfinished = self._publish_coordinates(record)
            if unfinished is not None:
                self.runs.change(record, csv_progress=unfinished.to_map())
                self.queues.pass_on(record)
                return False
        self._finish(record, account)
        return True

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

    def _publish_coordinates(self, record: RunRecord) -> Progress | None:
        """Partitions, view and CSV in the current PCA version; None when all of it is there.

        After a refit that goes for every finished run. The version can move on meanwhile, so it is
        looked at again until nothing is left to do.
        """
        earlier = Progress(**record.csv_progress) if record.csv_progress else None
        caught_up = 0
        while (version := current_number(self.csv.results)) > caught_up:
            runs = [record.key]
            if version > self.catalog.current_version():
                runs += [run for run in receipt.done_runs(self.csv.results) if run != record.key]
            self.catalog.add_coordinates(version, runs)
            for number, run in enumerate(left_of(runs, version, earlier)):
                if number and self.out_of_time():
                    return Progress.before(run, version)
                stopped = self._export(run, version, earlier, is_own=run == record.key)
                if stopped is not None:
                    return stopped
            self.catalog.show_version(version)  # last: until then, all of this is repeated
            caught_up = version
        return None

    def _export(
        self, run: Run, version: int, earlier: Progress | None, is_own: bool
    ) -> Progress | None:
        """A run's CSV. What is wrong with another run is told there, and does not keep this one
        from its end."""
        try:
            return self.csv.export(run, version, earlier, self.out_of_time)
        except ConflictError:
            raise
        except Exception as error:
            incomplete = isinstance(error, TransientError)
            if is_own or (is_of_the_moment(error) and not incomplete):
                raise
            self._tell_trouble(run, f"its CSV is not in PCA version {version}: {error!r}")
        return None

    def _tell_trouble(self, run: Run, words: str) -> None:
        logger.error("left out", extra={"batch": run.batch, "run": run.number, "error": words})
        other = self.runs.get(run)
        if other is not None and other.state == State.DONE:
            self.runs.change(other, changed_at=other.changed_at, trouble=trouble_of(words))

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
            csv_progress={},
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
