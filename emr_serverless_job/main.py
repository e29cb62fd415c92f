"""Entry point: `spark-submit main.py --run-of ... --output ... --model ...`, by hand
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
from dataclasses import asdict
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
from emr_serverless_job.erase import parse_erasure, run_erasure
from emr_serverless_job.listing import list_store
from emr_serverless_job.on_spark import OnSpark
from emr_serverless_job.request import Request
from emr_serverless_job.run_job import run_job

Work = Callable[[SparkSession], Mapping[str, object]]

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


def parse(arguments: Sequence[str]) -> Request:
    """The command line as a request. Reads the manifest and the model."""
    parser = _parser()
    options = parser.parse_args(arguments)
    run = options.run_of or Run(options.batch, options.run)
    if not run.batch or not run.number:
        parser.error("say which run: by --run-of, or by --batch and --run")
    if options.input:
        entries = list_store(options.input)
    else:
        entries = _entries(options.manifest or [f"{options.output.rstrip('/')}/{run.manifest}"])
    return Request(
        run=run,
        entries=manifest.latest(entries),
        output=options.output,
        model=read_uri(options.model),
        limits=Limits(options.max_bytes, options.max_pixels),
        reader=options.reader,
        pca=options.pca,
        expected=options.expected,
        thumbnails=options.thumbnails,
        contract=chosen(options.exact_decode),
        blocked=block_list.load(open_store(options.output)),
    )


def _entries(uris: Sequence[str]) -> list[Entry]:
    parts: list[bytes] = []
    for uri in uris:
        if uri.endswith(".gz"):
            parts.append(read_uri(uri))
        else:
            store = open_store(uri)
            parts += [store.read(key) for key in store.list("")]
    return [entry for part in parts for entry in manifest.unpack(part)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run-of", type=run_in, metavar="BATCH/RUN",
        help="the run, percent-encoded, whose manifest lies below --output",
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
    """Do the run or the erasure; 0 when its receipt balances or nothing is found any more, 1
    otherwise. One JSON line of log per outcome."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    log.setLevel(logging.INFO)
    started = time()
    try:
        _require_eu(arguments)
        work = _erasure(arguments) if "--erase" in arguments else _run(arguments)
        spark = build_session()
        try:
            outcome = work(spark)
        finally:
            spark.stop()
    except DarkroomError as error:
        _log("failed", started, error=type(error).__name__, message=str(error))
        return 1
    except Exception as error:  # Spark's own: its trace is in the log above
        _log("failed", started, error=type(error).__name__, message=str(error)[:500])
        return 1
    _log("done", started, **outcome)
    return 0


def _require_eu(arguments: Sequence[str]) -> None:
    """Raise `UsageError` where buckets are worked with from outside the EU."""
    if any("s3://" in argument or "s3a://" in argument for argument in arguments):
        require_eu(region_of(os.environ))


def _run(arguments: Sequence[str]) -> Work:
    request = parse(arguments)

    def work(spark: SparkSession) -> Mapping[str, object]:
        progress = ProgressNote(open_store(request.output), request.run, len(request.entries))
        try:
            receipt = run_job(OnSpark(spark), request, progress.note)
        finally:
            progress.remove()
        counts = {name: value for name, value in asdict(receipt).items() if isinstance(value, int)}
        return {"batch": receipt.batch, **counts}

    return work


def _erasure(arguments: Sequence[str]) -> Work:
    job = parse_erasure(arguments)

    def work(spark: SparkSession) -> Mapping[str, object]:
        outcome = run_erasure(spark, job)
        return {"erasures": len(job.requests), "images": len(outcome.keys)}

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
