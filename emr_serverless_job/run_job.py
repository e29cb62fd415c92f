"""One run from manifest to receipt."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import SparkSession

from darkroom import receipt
from darkroom.backbone import backbone_id, load_backbone
from darkroom.errors import ConflictError, MixedBackbonesError, UsageError
from darkroom.features import featurize, from_parquet, to_parquet
from darkroom.images import Rejection
from darkroom.manifest import Fetched
from darkroom.receipt import PcaNote, Receipt
from darkroom.storage import Store, open_store
from emr_serverless_job.account import Clock, count_stored
from emr_serverless_job.coordinates import current_backbone, place_run
from emr_serverless_job.featurize import Summary, featurize_run
from emr_serverless_job.request import Request

_PLACEMENT_TRIES = 3


def check(request: Request) -> None:
    """Refuse, before anything is computed, what could not end well.

    Raises `UsageError`, `BackboneError` or `MixedBackbonesError` with a text that says what to do.
    """
    if not request.entries:
        raise UsageError("the manifest is empty: there is nothing to process")
    load_backbone(request.model)
    store = open_store(request.output)
    present, given = current_backbone(store), backbone_id(request.model)
    if present not in (None, given):
        raise MixedBackbonesError(
            f"{store.uri} holds features of backbone {str(present)[:12]}, the model given is "
            f"{given[:12]}; use the model they were made with, or another output"
        )


def run_job(
    spark: SparkSession,
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
    summary = featurize_run(spark, request, on_images)
    if request.reader == "binaryFile":
        summary = _with_left_out(store, request, summary)
    clock.lap("features")
    note = _place(spark, request, store)
    clock.lap("pca")
    account = count_stored(store, request, summary, note, clock)
    store.write(request.run.receipt, receipt.pack(account))
    account.require_balance()
    return account


def _clear(store: Store, request: Request) -> None:
    """Remove what an earlier attempt at this run left, its receipt first."""
    run = request.run
    store.delete([run.receipt, run.statistics])
    for folder in (run.results, run.rejected):
        store.delete(store.list(folder))


def _place(spark: SparkSession, request: Request, store: Store) -> PcaNote | None:
    for attempt in range(1, _PLACEMENT_TRIES + 1):
        earlier = [run for run in receipt.done_runs(store) if run != request.run]
        try:
            return place_run(spark, request, earlier)
        except ConflictError:  # another run published a version meanwhile: look at that one
            if attempt == _PLACEMENT_TRIES:
                raise
    return None


def _with_left_out(store: Store, request: Request, summary: Summary) -> Summary:
    """Give rows to what Spark's file source leaves out without a word: files that are gone, and
    empty ones."""
    accounted = set(summary.skipped)
    for folder in (request.run.results, request.run.rejected):
        for key in store.list(folder):
            accounted.update(from_parquet(store.read(key), ["path"])["path"].to_pylist())
    left_out = [entry for entry in request.entries if entry.key not in accounted]
    gone = Rejection("missing", "gone when the job came for it")
    outcome = featurize(
        (Fetched(entry, gone if entry.size_bytes else b"") for entry in left_out),
        load_backbone(request.model),
        request.limits,
    )
    if outcome.rejected.num_rows:
        key = f"{request.run.rejected}/part-left-out.parquet"
        store.write(key, to_parquet(outcome.rejected))
    return Summary([*summary.skipped, *outcome.skipped], summary.digests)
