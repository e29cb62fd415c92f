"""`darkroom run`: the whole job on a folder, without any cloud."""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal, TextIO

from cli.on_this_machine.what_is_new import next_run
from cli.terminal.account import account_lines
from cli.terminal.left_out import require_all_reached, say_left_out
from cli.terminal.progress import Progress
from cli.terminal.say import say
from darkroom import manifest
from darkroom.coordinates.versions import current_version
from darkroom.errors import DarkroomError, UsageError
from darkroom.images.contract import chosen
from darkroom.images.decoder import start_decoders
from darkroom.images.outcome import Limits
from darkroom.layout import CURRENT_PCA, Run
from darkroom.manifest import Entry
from darkroom.printable import printable
from darkroom.run import receipt
from darkroom.run.csv_export import export_csv
from darkroom.run.folder import scan_folder
from darkroom.run.receipt import Receipt
from darkroom.run.unpacking import unpacked
from darkroom.storage.local import LocalStore, clear_partial
from darkroom.storage.parquet import COMPONENTS
from emr_serverless_job.engine import NEEDS_SPARK, Engine
from emr_serverless_job.on_threads import OnThreads
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import check, run_job

_UNPACKED = ".unpacked"
_STOPPED = "stopped. The same command begins this run again"
# what Spark says of Ctrl-C, which also goes to its JVM
_INTERRUPTED = re.compile(
    r"cancelled as part of cancellation of all jobs|^An error occurred while calling \S+$"
)


@dataclass(frozen=True)
class RunOptions:
    """The command line of `darkroom run`; `home` is the cache of what is built once."""

    folder: Path
    out: Path
    home: Path
    batch: str | None = None
    plot: bool = False
    cores: int = 2
    engine: Literal["threads", "spark"] = "threads"
    max_bytes: int = Limits().max_bytes
    max_pixels: int = Limits().max_pixels
    reader: Literal["obstore", "binaryFile"] = "obstore"
    pca: Literal["merged", "spark"] = "merged"
    thumbnails: bool = True
    exact_decode: bool = False
    follow_links: bool = False
    csv_byte_order_mark: bool = False

    @property
    def limits(self) -> Limits:
        """What an image may be at most."""
        return Limits(self.max_bytes, self.max_pixels)


def run_folder(options: RunOptions, model: Callable[[], Path]) -> None:
    """Process what is new in the folder; print progress and a summary.

    Raises `UsageError` for what the user can change, `DarkroomError` where the run failed.
    """
    batch = _check_folders(options)
    if options.engine != "spark" and (options.reader == "binaryFile" or options.pca == "spark"):
        raise UsageError(NEEDS_SPARK)
    results = LocalStore(options.out)
    with _only_one(options.out), _place_to_unpack(options.out) as place:
        clear_partial(options.out)
        found = scan_folder(options.folder, options.follow_links)
        scan = unpacked(found, place, options.max_bytes)
        listed = scan.entries
        say_left_out(scan)
        if not listed:
            require_all_reached(scan)
            raise UsageError(f"there are no files in {options.folder}")
        if options.engine == "threads":
            start_decoders(options.cores)
        run, entries = next_run(results, batch, listed)
        if not entries:
            export_stale(results, options.csv_byte_order_mark)
            say(f"nothing new in {options.folder}: earlier runs account for every file")
        else:
            request = _request(options, run, entries, model())
            started = monotonic()
            account = _process(options, request, results)
            say(summary(account, monotonic() - started, options))
        if options.plot:
            _draw(options, results)
        require_all_reached(scan)


def _check_folders(options: RunOptions) -> str:
    """The batch's name. Raises `UsageError` where the folders cannot be worked with."""
    folder, out = options.folder.resolve(), options.out.resolve()
    if not folder.is_dir():
        raise UsageError(f"{options.folder} is not a folder")
    if out.is_relative_to(folder):
        raise UsageError(f"--out {options.out} lies inside {options.folder}: choose another place")
    batch = folder.name if options.batch is None else options.batch
    if not batch or "/" in batch or batch in (".", ".."):
        raise UsageError(f"{batch!r} cannot name a batch: give one with --batch, without '/'")
    return batch


def _request(options: RunOptions, run: Run, entries: list[Entry], model: Path) -> Request:
    if not model.is_file():
        raise UsageError(f"no model file at {model}")
    request = Request(
        run=run,
        entries=entries,
        output=LocalStore(options.out).uri,
        model=model.read_bytes(),
        limits=options.limits,
        reader=options.reader,
        pca=options.pca,
        thumbnails=options.thumbnails,
        contract=chosen(options.exact_decode),
    )
    check(request)
    return request


def _process(options: RunOptions, request: Request, results: LocalStore) -> Receipt:
    run, total = request.run, len(request.entries)
    results.write(f"{run.manifest}/part-00000.jsonl.gz", manifest.pack(request.entries))
    say(f"batch {printable(run.batch)}, run {run.number}: {total} files")
    progress = Progress(total)
    try:
        if options.engine == "spark":
            account = _run_on_spark(options, request, progress)
        else:
            account = _run_on(OnThreads(options.cores), request, progress)
    finally:
        progress.close()
    export_stale(results, options.csv_byte_order_mark)
    return account


def _run_on_spark(options: RunOptions, request: Request, progress: Progress) -> Receipt:
    from emr_serverless_job.on_spark import OnSpark
    from local_cloud.spark.session import session

    log = options.out / "logs" / "spark.log"
    with session(options.cores, options.home, log) as spark:
        return _run_on(OnSpark(spark), request, progress, f"\nSpark's log: {log}")


def _run_on(engine: Engine, request: Request, progress: Progress, more: str = "") -> Receipt:
    try:
        return run_job(engine, request, progress.show)
    except DarkroomError:
        raise
    except KeyboardInterrupt as error:
        raise DarkroomError(_STOPPED) from error
    except Exception as error:  # of the file system, or Spark's own, told while the JVM still runs
        if _INTERRUPTED.search(str(error).strip()):
            raise DarkroomError(f"{_STOPPED}{more}") from error
        last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise DarkroomError(f"the job failed: {last[0].strip()}{more}") from error


def export_stale(results: LocalStore, byte_order_mark: bool) -> None:
    """Write the CSV of every run that has none, or one older than the PCA version in force.

    So a refit reaches earlier runs, and a run whose export was cut short gets it the next time.
    """
    current = current_version(results)
    if current is None:
        return
    pointer = results.root / CURRENT_PCA
    for run in receipt.done_runs(results):
        csv = results.root / run.csv
        if not csv.exists() or csv.stat().st_mtime_ns < pointer.stat().st_mtime_ns:
            export_csv(results, run, current.number, COMPONENTS, byte_order_mark)


def _draw(options: RunOptions, results: LocalStore) -> None:
    from cli.pictures.map import draw_map  # Matplotlib takes a second to import

    target = options.out / "map.png"
    drawn = draw_map(results, options.folder.resolve().parent, target)
    say(f"  map         {target if drawn else 'none: there are no coordinates to draw'}")


@contextmanager
def _only_one(out: Path) -> Iterator[None]:
    """Keep a second `darkroom run` away from the same results."""
    with _locked(out):
        yield


@contextmanager
def _place_to_unpack(out: Path) -> Iterator[Path]:
    """A folder for what is in archives, gone at the end."""
    place = out.resolve() / _UNPACKED
    shutil.rmtree(place, ignore_errors=True)  # of a run that was killed
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _locked(out: Path) -> TextIO:
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:  # no permission, a read-only or full disk, a file of that name
        raise UsageError(f"cannot write to {out}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise UsageError(f"another darkroom run is writing to {out}") from error
    return lock


def summary(account: Receipt, seconds: float, options: RunOptions) -> str:
    """What a person wants to know of a finished run."""
    featurized = account.seconds.get("features", 0)
    rate = account.found / featurized if featurized else 0
    lines = [
        "",
        f"batch {printable(account.batch)}, run {account.run}: done in {seconds:.0f} s",
        *account_lines(account.equation, account.rejected_by_reason, account.skipped),
    ]
    if account.with_more_pages:
        lines.append(f"  pages       of {account.with_more_pages} files the first page was taken")
    if account.duplicates.images:
        lines.append(f"  duplicates  {account.duplicates.images} images repeat another's bytes")
    lines.append(f"  speed       {rate:.0f} images/s on {options.cores} cores")
    lines.append(f"  PCA         {_pca_words(account)}")
    if account.drift is not None:
        lines.append(f"  drift       {printable(account.drift.words_with_label)}")
    folders = ["Results", "Results_PCA", "Results_CSV", "Rejected", "Skipped", "receipts"]
    if options.thumbnails:
        folders.insert(-1, "Thumbnails")
    lines.append(f"  files       {options.out}: {' '.join(f'{name}/' for name in folders)}")
    return "\n".join(lines)


def _pca_words(account: Receipt) -> str:
    note = account.pca
    if note is None:
        return "none: no image could be processed"
    words = f"version {note.version}, {note.variance_kept:.1%} of the variance kept"
    if note.components < COMPONENTS:
        words += (
            f"; the corpus carries only {note.components} components, the other "
            f"{COMPONENTS - note.components} columns are zeros"
        )
    return words
