"""One run from manifest to receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from darkroom.coordinates.versions import current_version, next_version, require_backbone
from darkroom.errors import ConflictError, LostAnswerError, UsageError
from darkroom.images.backbone import backbone_id, load_backbone
from darkroom.images.features import featurize
from darkroom.run import receipt
from darkroom.run.receipt import PcaNote, Receipt
from darkroom.storage.opening import open_store
from darkroom.storage.parquet import from_parquet, to_parquet
from darkroom.storage.store import Store
from emr_serverless_job.account import Clock, count_stored, utc_now
from emr_serverless_job.coordinates import place_run
from emr_serverless_job.engine import Engine
from emr_serverless_job.featurize import featurize_run
from emr_serverless_job.request import Request

_PLACEMENT_TRIES = 3


def check(request: Request) -> None:
    """Refuse, before anything is computed, what could not end well.

    Raises `UsageError`, `BackboneError` or `MixedBackbonesError` with a text that says what to do.
    """
    if not request.entries:
        raise UsageError("the manifest is empty: there is nothing to process")
    load_backbone(request.model)
    require_backbone(open_store(request.output), backbone_id(request.model))


def run_job(
    engine: Engine,
    request: Request,
    on_images: Callable[[int], None] = lambda done: None,
) -> Receipt:
    """Do the run and write its receipt. Repeating it replaces what it wrote, and only that.

    Raises `UnbalancedReceiptError` (after writing the receipt, which says so too) where an image
    is unaccounted for.
    """
    check(request)
    store, clock = open_store(request.output), Clock()
    _clear(store, request)
    featurize_run(engine, request, on_images)
    if request.reader == "binaryFile":
        _add_left_out(store, request)
    clock.lap("features")
    account = count_stored(store, request, clock)
    if not account.balanced:  # then the run may have no part in the coordinate system
        store.write(request.run.receipt, receipt.pack(account))
        account.require_balance()
    return _place_and_account(engine, request, store, account, clock)


def _clear(store: Store, request: Request) -> None:
    """Remove what an earlier attempt at this run left, its receipt first."""
    run = request.run
    store.delete([run.receipt, run.statistics, run.csv])
    placed = [run.results_pca(number) for number in range(1, next_version(store).number)]
    for folder in (*run.tables, *placed):
        store.delete(store.list(folder))


def _place_and_account(
    engine: Engine, request: Request, store: Store, account: Receipt, clock: Clock
) -> Receipt:
    """Coordinates, then the receipt; again where another run moved the version meanwhile.

    A job that fits a version looks, after it published it, for receipts that came meanwhile; a job
    that wrote its receipt looks, after that, for a version that came meanwhile. So of two jobs that
    end at the same moment at least one sees the other, and no run stays behind.
    """
    while True:
        note = _place(engine, request, store)
        clock.lap("pca")
        account = replace(account, pca=note, seconds=dict(clock.seconds), finished_at=utc_now())
        store.write(request.run.receipt, receipt.pack(account))
        current = current_version(store)
        if note is None or current is None or note.version == current.number:
            return account


def _place(engine: Engine, request: Request, store: Store) -> PcaNote | None:
    for attempt in range(1, _PLACEMENT_TRIES + 1):
        earlier = [run for run in receipt.done_runs(store) if run != request.run]
        try:
            return place_run(engine, request, earlier)
        except (ConflictError, LostAnswerError):
            # another run published a version meanwhile, or this one, unheard: look at that
            if attempt == _PLACEMENT_TRIES:
                raise
    return None


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
