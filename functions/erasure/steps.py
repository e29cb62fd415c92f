"""From an erasure's job to its certificates: catalog and CSV, table and queues, proof."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from darkroom.coordinates.pointer import current_number, remove_version, runs_with_share
from darkroom.erasure import block_list, certificate, outcome, plan, request
from darkroom.erasure.mentions import Mentions
from darkroom.erasure.narrowing import narrowed_outcome, narrowed_plan, narrowed_request
from darkroom.erasure.outcome import Outcome, outcome_key
from darkroom.erasure.plan import plan_key
from darkroom.erasure.request import ErasureRequest
from darkroom.erasure.uploads import Left
from darkroom.errors import ObjectNotFoundError, TransientError
from darkroom.layout import Run, erasure_certificate, erasure_request
from darkroom.run import receipt
from darkroom.run.csv_export import paths_in
from functions.aws.bucket import Bucket
from functions.erasure.dead_letters import UploadDeadLetters
from functions.erasure.right_of_way import Erasures
from functions.erasure.signing import KmsSigner
from functions.intake.uploads import Upload
from functions.publication.csv_writer import Progress
from functions.publication.steps import Completion, is_behind
from functions.runs.records import RunRecord, State
from functions.runs.state_machine import Step

_ENDED = (State.SEALED, State.SUCCEEDED, State.DONE, State.FAILED)
LOOK_AGAIN_SECONDS = 15
_UNTOLD = "(it named an image that was erased since)"


@dataclass(frozen=True)
class ErasureCompletion:
    """The steps of `catalog_results` for erasures. `runs` has those for the runs of batches, which
    `erasures` lets go on when the job has ended."""

    runs: Completion
    erasures: Erasures
    dead_letters: UploadDeadLetters
    signer: KmsSigner

    @property
    def steps(self) -> Mapping[State, Step]:
        """What is done in which state."""
        return {
            State.SUBMITTED: self.runs.end.observe_run,
            State.RUNNING: self.runs.end.observe_run,
            State.SUCCEEDED: self.finish,
        }

    @property
    def _results(self) -> Bucket:
        return self.runs.csv.results

    def finish(self, record: RunRecord) -> bool:
        """Let readers see what is left, forget the rest, make sure, and sign. False: more time is
        needed."""
        self.erasures.release()
        try:
            done = outcome.unpack(self._results.read(outcome_key(record.key)))
        except ObjectNotFoundError:  # all certificates are there: only the end was missed
            self._end(record)
            return True
        if not self._is_shown(record, done):
            return False
        asked = [
            request.unpack(self._results.read(erasure_request(n))) for n in _numbers_of(record)
        ]
        self._forget(done)
        self._issue(asked, done, self._make_sure(asked, done))
        left = {one for several in done.left.values() for one in several}
        if left:
            self._narrow(record, asked, done)
            self.runs.fail(record, _left_words(left))
        else:
            self._end(record)
        return True

    def _is_shown(self, record: RunRecord, done: Outcome) -> bool:
        """Catalog and CSV without the erased images, in the version now in force, which may have
        come since. False: this is looked at again when more of it is there."""
        version = current_number(self._results)
        if not version:
            self.runs.catalog.drop_view()
            self._results.delete([run.csv for run in self._exported(done)])
            return True
        receipts = set(self._results.list("receipts", ".json"))
        exported = self._exported(done)
        left = [run for run in exported if run.receipt in receipts]
        self._results.delete([run.csv for run in exported if run not in left])
        self.runs.catalog.add_coordinates(version, left)
        if not self._are_exported(record, left, done):
            self.runs.queues.pass_on(record)
            return False
        if current_number(self._results) != version:  # what was exported may be the older one now
            self.runs.queues.pass_on(record)
            return False
        self.runs.show_version(version)
        if done.doomed and self._are_behind(version):
            self.runs.queues.look_again(record, LOOK_AGAIN_SECONDS)
            return False
        return True

    def _exported(self, done: Outcome) -> list[Run]:
        """The runs whose CSV had lines of what went; without those of uploads that came since."""
        return [run for run in done.csv if not _is_new(self.runs.runs.get(run), done)]

    def _are_exported(self, record: RunRecord, runs: Sequence[Run], done: Outcome) -> bool:
        """The CSVs without the lines of erased images; False where that takes more time."""
        version = current_number(self._results)
        earlier = Progress(**record.csv_progress) if record.csv_progress else None
        for run in runs:
            stopped = self.runs.csv.export(
                run, version, earlier, self.runs.out_of_time, erasure=int(done.ended_at)
            )
            if stopped is not None:
                self.runs.runs.change(record, csv_progress=stopped.to_map())
            if stopped is not None or self.runs.out_of_time():
                return False
        return True

    def _are_behind(self, version: int) -> bool:
        """Whether the CSV of a run is in a version that has seen an erased image."""
        placed = set(runs_with_share(self._results))
        return any(
            is_behind(record, version) and record.key in placed for record in self.runs.runs.every()
        )

    def _forget(self, done: Outcome) -> None:
        """Versions that have seen an image, partitions of runs of which nothing stays, and what
        the table says of both."""
        for version in done.doomed:
            self.runs.catalog.remove_version(version)
            remove_version(self._results, version)
        gone = [run for run in done.removed if not _is_new(self.runs.runs.get(run), done)]
        self.runs.catalog.remove_runs(gone, done.pca_before)
        self._results.delete([key for run in gone for key in (run.csv, run.receipt)])
        self._show_what_came_since(gone)
        for run, files in done.runs:
            self._restate(run, files)
        for run in gone:
            self._remove_record(run, done)
        for batch in done.batches:
            self._remove_open_run(batch, done)
        mentions = Mentions(done.keys, done.contents)
        for record in self.runs.runs.every():
            told = {name: _UNTOLD for name, text in record.texts.items()
                    if text != _UNTOLD and mentions.in_text(text)}  # fmt: skip
            if told:
                self.runs.runs.change(record, changed_at=record.changed_at, **told)

    def _restate(self, run: Run, files: int) -> None:
        """The counts in a run's record, as its receipt now has them."""
        record = self.runs.runs.get(run)
        if record is None or record.images is None:
            return
        counts: dict[str, int | None] = {"images": files}
        if record.state == State.DONE:
            try:
                account = receipt.unpack(self._results.read(run.receipt))
            except ObjectNotFoundError:  # expired
                return
            counts = {
                "images": account.found + account.skipped,
                "processed": account.processed,
                "rejected": account.rejected,
                "missing": account.missing,
            }
        if any(getattr(record, name) != value for name, value in counts.items()):
            self.runs.runs.change(record, changed_at=record.changed_at, **counts)

    def _show_what_came_since(self, gone: Sequence[Run]) -> None:
        """Runs of the same batches, which share a partition of CSV files with those that went."""
        for batch in sorted({run.batch for run in gone}):
            for record in self.runs.runs.of_batch(batch):
                if (
                    record.state in (State.SUCCEEDED, State.DONE)
                    and record.images
                    and record.key not in gone
                ):
                    self.runs.catalog.add_run(record.key)

    def _remove_record(self, run: Run, done: Outcome) -> None:
        record = self.runs.runs.get(run)
        if record is not None and record.state in _ENDED and not _is_new(record, done):
            self.runs.runs.remove(record)

    def _remove_open_run(self, batch: str, done: Outcome) -> None:
        """A run that waits for uploads, and has none but erased ones."""
        record = self.runs.runs.latest(batch)
        emptied = {key.rpartition("/")[2].partition(".")[0] for key in done.emptied}
        emptied_run = record is not None and record.parts <= emptied
        if record and emptied_run and record.state == State.OPEN and not _is_new(record, done):
            self.runs.runs.remove(record)

    def _make_sure(self, asked: Sequence[ErasureRequest], done: Outcome) -> dict[str, int]:
        """Look where the job could not; how much was looked at in each place.

        Raises `TransientError` where something is found: then all of it is repeated.
        """
        keys, mentions = done.keys, Mentions(done.keys, done.contents)
        blocked = block_list.load(self._results)

        def is_erased(upload: Upload) -> bool:
            named = upload.entry.key in keys or any(
                one.selector.takes(upload.entry.key, upload.batch) for one in asked
            )
            return blocked.erased(upload.entry) or (named and upload.told_at < done.planned_at)

        dead = self.dead_letters.forget(is_erased, mentions.in_text)
        lines = found = 0
        for run in self._exported(done):
            for path in self._csv_paths(run):
                lines += 1
                found += path in keys
        records = list(self.runs.runs.every())
        texts = [text for record in records for text in record.texts.values() if text != _UNTOLD]
        found += sum(map(mentions.in_text, texts))
        if found:
            raise TransientError(f"{found} traces of erased images are still there")
        looked_at = {"csv_lines": lines, "run_records": len(records), "dead_letters": dead}
        unreadable = self.runs.runs.unreadable()
        return {**looked_at, **({"unreadable_run_records": unreadable} if unreadable else {})}

    def _csv_paths(self, run: Run) -> Iterator[str]:
        """The paths in a run's CSV, read as a stream."""
        try:
            return paths_in(self._results.read_lines(run.csv))
        except ObjectNotFoundError:
            return iter(())

    def _issue(
        self, asked: Sequence[ErasureRequest], done: Outcome, looked_at: Mapping[str, int]
    ) -> None:
        """Sign a certificate for each request: once, and anew where something was left."""
        for one in asked:
            known = self._certificate(one.id)
            earlier = certificate.unpack(known) if known else None
            if earlier is None or earlier.get("left"):
                signed = certificate.issue(one, done, looked_at, self.signer, earlier)
                self._results.write(erasure_certificate(one.id), certificate.pack(signed))

    def _narrow(self, record: RunRecord, asked: Sequence[ErasureRequest], done: Outcome) -> None:
        """Forget the names of all that is gone; what is left stays asked for."""
        for one in asked:
            left = done.left.get(one.id, [])
            narrowed = request.pack(narrowed_request(one, left))
            self._results.write(erasure_request(one.id), narrowed)
        known = plan.unpack(self._results.read(plan_key(record.key)))
        self._results.write(plan_key(record.key), plan.pack(narrowed_plan(known, done.left)))
        self._results.write(outcome_key(record.key), outcome.pack(narrowed_outcome(done)))

    def _certificate(self, number: str) -> bytes | None:
        try:
            return self._results.read(erasure_certificate(number))
        except ObjectNotFoundError:
            return None

    def _end(self, record: RunRecord) -> None:
        """Forget what was asked for, and let those go on that waited."""
        numbers = _numbers_of(record)
        certificates = [self._certificate(number) for number in numbers]
        if None in certificates:
            self.runs.fail(record, "the job ended well but left no outcome")
            return
        self._results.delete(self._results.list(record.key.erasure))  # first: it needs the others
        self._results.delete([erasure_request(number) for number in numbers])
        images = sum(
            len(certificate.unpack(data)["images"]) for data in certificates if data is not None
        )
        record = self.runs.with_late_bill(record)
        self.runs.notifier.erased(record, images)
        ended = self.runs.runs.change(
            record,
            state=State.DONE,
            processed=images,
            cost=self.runs.prices.cost_of(record),
            currency=self.runs.prices.currency,
            csv_progress={},
        )
        self.runs.report(ended)


def _is_new(record: RunRecord | None, done: Outcome) -> bool:
    """Whether a run's number was taken again, by uploads that came after the erasure's plan."""
    return record is not None and record.opened_at >= done.planned_at


def _left_words(left: Collection[Left]) -> str:
    """For people. The objects stand in the erasure's outcome."""
    reasons = ", ".join(sorted({one.reason for one in left}))
    names = "1 name" if len(left) == 1 else f"{len(left)} names"
    return f"{names} could not be erased ({reasons}); all else is, as the certificates say"


def _numbers_of(record: RunRecord) -> list[str]:
    return [str(asked["id"]) for asked in record.requests]
