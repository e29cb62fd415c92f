"""Entry point: `spark-submit main.py --run-of ... --run-of ... --output ... --model ...`, by hand
`spark-submit main.py --manifest ... --output ... --model ... --batch ... --run ...`,
or `spark-submit main.py --erase ...`, with the number of the erasure instead of a batch's run.

Runs unmodified as an EMR Serverless job (the packages `darkroom` and `emr_serverless_job` as a zip
in `--py-files`, their dependencies as an archive) and on one machine.
"""

from __future__ import annotations

from emr_serverless_job.image import require_image

require_image()  # before the imports that would fail

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from time import time

from pyspark.sql import SparkSession

from darkroom import manifest
from darkroom.erasure import block_list
from darkroom.errors import DarkroomError
from darkroom.images.contract import chosen
from darkroom.images.outcome import Limits
from darkroom.layout import Run, run_in
from darkroom.manifest import Entry
from darkroom.regions import region_of, require_eu
from darkroom.run.progress import ProgressNote
from darkroom.storage.opening import open_store, read_uri
from darkroom.storage.read_ahead import read_ahead
from emr_serverless_job.erase import parse_erasure, run_erasure
from emr_serverless_job.listing import list_store
from emr_serverless_job.on_spark import OnSpark
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import Ended, require_entries, require_model, run_jobs

_MANIFESTS_AT_ONCE = 16

Work = Callable[[SparkSession], int]  # how many runs failed

log = logging.getLogger("darkroom")

# Spark's own defaults would spend more time generating code for these tiny plans than running
# them, and merge the small tasks that balance the load.
CONF = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.driver.maxResultSize": "2g",
    "spark.ui.showConsoleProgress": "false",
}


def build_session(conf: Mapping[str, str] | None = None) -> SparkSession:
    """The session, where `spark-submit` has not made one; `conf` comes on top of `CONF`."""
    builder = SparkSession.builder.appName("darkroom")
    for name, value in {**CONF, **(conf or {})}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


@dataclass(frozen=True)
class Asked:
    """What the command line asks for: runs to be worked, and those that cannot even be begun, each
    with the reason."""

    requests: list[Request]
    failed: list[Ended]


def parse(arguments: Sequence[str]) -> Asked:
    """The command line as requests. Reads the manifests and the model. Raises `DarkroomError` for
    what concerns all runs."""
    parser = _parser()
    options = parser.parse_args(arguments)
    runs = options.run_of or [(Run(options.batch, options.run), options.expected)]
    if not all(run.batch and run.number for run, _ in runs):
        parser.error("say which run: by --run-of, or by --batch and --run")
    asked = Asked([], [])
    alike = _alike(options, runs[0][0])
    require_model(alike)
    read = read_ahead(partial(_request, options, alike), runs, _MANIFESTS_AT_ONCE)
    for found in read:
        if isinstance(found, Ended):
            asked.failed.append(found)
        else:
            asked.requests.append(found)
    return asked


def _request(
    options: argparse.Namespace, alike: Request, run: tuple[Run, int | None]
) -> Request | Ended:
    """What is to be done with a run; or why it cannot even be begun."""
    try:
        entries = manifest.latest(_entries_of(options, run[0]))
        request = replace(alike, run=run[0], entries=entries, expected=run[1])
        require_entries(request)
    except DarkroomError as error:
        return Ended(run[0], error=error)
    return request


def _alike(options: argparse.Namespace, run: Run) -> Request:
    """What all runs of a job have in common."""
    return Request(
        run=run,
        entries=[],
        output=options.output,
        model=read_uri(options.model),
        limits=Limits(options.max_bytes, options.max_pixels),
        reader=options.reader,
        pca=options.pca,
        thumbnails=options.thumbnails,
        contract=chosen(options.exact_decode),
        blocked=block_list.load(open_store(options.output)),
    )


def _entries_of(options: argparse.Namespace, run: Run) -> list[Entry]:
    if options.input:
        return list_store(options.input)
    entries: list[Entry] = []
    for uri in options.manifest or [f"{options.output.rstrip('/')}/{run.manifest}"]:
        store = open_store(uri)
        parts = [read_uri(uri)] if uri.endswith(".gz") else map(store.read, store.list(""))
        entries += [entry for part in parts for entry in manifest.unpack(part)]
    return entries


def _run_of(text: str) -> tuple[Run, int | None]:
    """A run, and how many files its batch's marker announced.

    >>> _run_of("P%C3%AAche/2"), _run_of("spring/1=500")
    ((Run(batch='Pêche', number=2), None), (Run(batch='spring', number=1), 500))
    """
    run, _, expected = text.partition("=")
    return run_in(run), int(expected) if expected else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run-of", type=_run_of, metavar="BATCH/RUN[=FILES]", action="append",
        help="a run, percent-encoded, whose manifest lies below --output, and how many files were "
             "announced; may be given again",
    )  # fmt: skip
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--manifest", nargs="+", help="manifest parts (.jsonl.gz) or their folder")
    source.add_argument("--input", help="prefix or folder to list, where there is no manifest")
    parser.add_argument("--output", required=True, help="root of the results: s3://, file://, path")
    parser.add_argument("--model", required=True, help="the backbone's ONNX file")
    parser.add_argument("--batch")
    parser.add_argument("--run", type=int, help="number of the run, from 1")
    parser.add_argument("--reader", choices=["obstore", "binaryFile"], default="obstore")
    parser.add_argument("--pca", choices=["merged", "spark"], default="merged")
    parser.add_argument("--expected", type=int, help="how many files the batch's marker announced")
    parser.add_argument("--max-bytes", type=int, default=Limits().max_bytes)
    parser.add_argument("--max-pixels", type=int, default=Limits().max_pixels)
    parser.add_argument(
        "--thumbnails", action=argparse.BooleanOptionalAction, default=True,
        help="keep a small picture of each image",
    )  # fmt: skip
    parser.add_argument(
        "--exact-decode", action="store_true",
        help="decode every pixel of large images, and take colours as numbers",
    )  # fmt: skip
    return parser


def main(arguments: Sequence[str]) -> int:
    """Do the runs or the erasure; 0 when their receipts balance or nothing is found any more, 1
    otherwise. One JSON line of log per outcome."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    log.setLevel(logging.INFO)
    started = time()
    try:
        _require_eu(arguments)
        work = _erasure(arguments) if "--erase" in arguments else _runs(arguments)
        spark = build_session()
        try:
            failed = work(spark)
        finally:
            spark.stop()
    except Exception as error:  # of Spark's own the trace is in the log above
        _log("failed", started, **_in_words(error))
        return 1
    _log("ended", started, failed=failed)
    return min(failed, 1)


def _in_words(error: Exception) -> dict[str, object]:
    """What a line of log says of an error; Spark's own are long."""
    words = str(error) if isinstance(error, DarkroomError) else str(error)[:500]
    return {"error": type(error).__name__, "message": words}


def _require_eu(arguments: Sequence[str]) -> None:
    """Raise `UsageError` where buckets are worked with from outside the EU."""
    if any("s3://" in argument or "s3a://" in argument for argument in arguments):
        require_eu(region_of(os.environ))


def _runs(arguments: Sequence[str]) -> Work:
    asked = parse(arguments)

    def work(spark: SparkSession) -> int:
        ended = asked.failed + (_work_off(spark, asked.requests) if asked.requests else [])
        for one in ended:
            _log_run(one)
        return sum(one.error is not None for one in ended)

    return work


def _work_off(spark: SparkSession, requests: Sequence[Request]) -> list[Ended]:
    store = open_store(requests[0].output)
    notes = {r.run: ProgressNote(store, r.run, len(r.entries)) for r in requests}
    try:
        return run_jobs(OnSpark(spark), requests, lambda run, done: notes[run].note(done))
    finally:
        for note in notes.values():
            note.remove()


def _log_run(ended: Ended) -> None:
    """One line for each run: who looks for the reason finds it by the run."""
    told: dict[str, object] = {"run_of": ended.run.in_ascii, "task_seconds": ended.task_seconds}
    if ended.error is not None:
        log.info(json.dumps({"outcome": "failed", **_in_words(ended.error), **told}))
    elif ended.receipt is not None:
        counts = {n: v for n, v in asdict(ended.receipt).items() if isinstance(v, int)}
        told["batch"] = ended.run.batch
        log.info(json.dumps({"outcome": "done", **told, **counts}))


def _erasure(arguments: Sequence[str]) -> Work:
    job = parse_erasure(arguments)

    def work(spark: SparkSession) -> int:
        outcome = run_erasure(spark, job)
        told = {"erasures": len(job.requests), "images": len(outcome.keys)}
        log.info(json.dumps({"outcome": "done", **told}))
        return 0

    return work


def _log(outcome: str, started: float, **fields: object) -> None:
    log.info(json.dumps({"outcome": outcome, "seconds": round(time() - started, 1), **fields}))


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    # All is stored and Spark is stopped. Without this, a native library's thread that outlives the
    # interpreter can abort the process (seen once in fifty runs), and a run that is done would be
    # reported as failed.
    os._exit(code)
