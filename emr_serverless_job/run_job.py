"""Runs from manifest to receipt: one, or all that are ready, in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from darkroom.coordinates.pointer import runs_with_share
from darkroom.coordinates.versions import current_version, require_backbone
from darkroom.errors import ConflictError, LostAnswerError, UsageError
from darkroom.images.backbone import backbone_id, load_backbone
from darkroom.images.features import featurize
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.run.receipt import DriftNote, PcaNote, Receipt
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import from_parquet, to_parquet
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store
from emr_serverless_job.account import Clock, count_stored, utc_now
from emr_serverless_job.coordinates import place_runs
from emr_serverless_job.drifting import drifts
from emr_serverless_job.engine import Engine
from emr_serverless_job.featurize import featurize_runs
from emr_serverless_job.merging import merge_files
from emr_serverless_job.packing import pack_points
from emr_serverless_job.request import Request

_MOST_LOST_RACES = 3


@dataclass(frozen=True)
class Ended:
    """How a run came to its end: its receipt, which balances, or why it has none; and the seconds
    that the tasks on its images took."""

    run: Run
    receipt: Receipt | None = None
    error: Exception | None = None
    task_seconds: float = 0.0


def check(request: Request) -> None:
    """Refuse, before anything is computed, what could not end well.

    Raises `UsageError`, `BackboneError` or `MixedBackbonesError` with a text that says what to do.
    """
    require_entries(request)
    require_model(request)


def require_entries(request: Request) -> None:
    """Raise `UsageError` where there is nothing to do."""
    if not request.entries:
        raise UsageError("the manifest is empty: there is nothing to process")


def require_model(request: Request) -> None:
    """Raise `BackboneError` for what is no model, `MixedBackbonesError` for one that is not the
    corpus'."""
    load_backbone(request.model)
    require_backbone(open_store(request.output), backbone_id(request.model))


def run_job(
    engine: Engine,
    request: Request,
    on_images: Callable[[int], None] = lambda done: None,
) -> Receipt:
    """Do one run and write its receipt. Repeating it replaces what it wrote, and only that.

    Raises `UnbalancedReceiptError` (after writing the receipt, which says so too) where an image
    is unaccounted for, and whatever keeps the run from its end.
    """
    check(request)
    (ended,) = run_jobs(engine, [request], lambda run, done: on_images(done))
    if ended.receipt is None:
        assert ended.error is not None
        raise ended.error
    return ended.receipt


def run_jobs(
    engine: Engine, requests: Sequence[Request], on_images: Callable[[Run, int], None]
) -> list[Ended]:
    """Do runs whose manifests are not empty, of the same model and settings, stage by stage. One
    that cannot be done fails alone; what concerns all of them is raised."""
    clock = Clock()
    store = open_store(requests[0].output)
    featurized = featurize_runs(engine, requests, on_images)
    failed = {run: told.error for run, told in featurized.items() if told.error}
    worked = [request for request in requests if request.run not in failed]
    for request in worked:
        if request.reader == "binaryFile":
            _add_left_out(store, request)
    clock.lap("features")
    accounts: dict[Run, Receipt] = {}
    for run, counted in count_stored(engine, worked, clock).items():
        try:
            accounts[run] = _balanced(store, counted)
        except Exception as error:
            failed[run] = error
    failed |= merge_files(engine, [r for r in worked if r.run in accounts])
    accounts = {run: told for run, told in accounts.items() if run not in failed}
    clock.lap("merging")
    for run, account in accounts.items():
        account.seconds["tasks"] = featurized[run].seconds
    placed = _place_and_account(engine, [r for r in worked if r.run in accounts], accounts, clock)
    if placed:
        pack_points(engine, requests[0].output)
    return [
        Ended(run, placed.get(run), failed.get(run), told.seconds)
        for run, told in featurized.items()
    ]


def _balanced(store: Store, counted: Receipt | Exception) -> Receipt:
    """The account. Raises `UnbalancedReceiptError` for one that does not balance, after storing it:
    then the run may have no part in the coordinate system. Raises what kept it from being made."""
    if isinstance(counted, Exception):
        raise counted
    if not counted.balanced:
        store.write(Run(counted.batch, counted.run).receipt, receipt.pack(counted))
        counted.require_balance()
    return counted


def _place_and_account(
    engine: Engine, requests: Sequence[Request], accounts: dict[Run, Receipt], clock: Clock
) -> dict[Run, Receipt]:
    """Coordinates, then the receipts; again where another run moved the version meanwhile.

    A job that fits a version looks, after it published it, for receipts that came meanwhile; a job
    that wrote its receipts looks, after that, for a version that came meanwhile. So of two jobs
    that end at the same moment at least one sees the other, and no run stays behind.
    """
    told: dict[Run, DriftNote] = {}
    while requests:
        store = open_store(requests[0].output)
        note = _place(engine, requests, store)
        clock.lap("pca")
        if not told:
            told = drifts(engine, requests[0].output, accounts)
            clock.lap("drift")
        now = utc_now()
        seconds = clock.seconds
        accounts = {
            run: replace(
                account,
                pca=note,
                drift=told[run],
                seconds={**account.seconds, **seconds},
                finished_at=now,
            )
            for run, account in accounts.items()
        }
        _write_receipts(store, accounts)
        current = current_version(store)
        if note is None or current is None or note.version == current.number:
            break
    return accounts


def _write_receipts(store: Store, accounts: Mapping[Run, Receipt]) -> None:
    def write(run: Run) -> None:
        store.write(run.receipt, receipt.pack(accounts[run]))

    for _ in read_ahead(write, accounts, store.read_ahead):
        pass


def _place(engine: Engine, requests: Sequence[Request], store: Store) -> PcaNote | None:
    """Where another run published a version meanwhile, or this one did unheard, that is looked at;
    after some lost races the one that is in force has to do."""
    own = {request.run for request in requests}
    tries = 0
    while True:
        earlier = [run for run in runs_with_share(store) if run not in own]
        try:
            return place_runs(engine, requests, earlier, may_refit=tries < _MOST_LOST_RACES)
        except (ConflictError, LostAnswerError):
            tries += 1
            if tries > _MOST_LOST_RACES:
                raise


def _add_left_out(store: Store, request: Request) -> None:
    """Give rows to what Spark's file source leaves out without a word: files that are gone, empty,
    or hidden by their names."""
    from emr_serverless_job.hadoop_reader import fetch_left_out

    accounted: set[str] = set()
    for folder in request.run.tables:
        for key in store.list(folder, ".parquet"):
            accounted.update(from_parquet(store.read(key), ["path"])["path"].to_pylist())
    left_out = [entry for entry in request.entries if entry.key not in accounted]
    outcome = featurize(
        fetch_left_out(left_out, request.limits),
        load_backbone(request.model),
        request.limits,
        request.blocked,
        request.thumbnails,
        request.contract,
    )
    for folder, table in outcome.tables(request.run):
        if table.num_rows:
            store.write(f"{folder}/part-left-out.parquet", to_parquet(table))
