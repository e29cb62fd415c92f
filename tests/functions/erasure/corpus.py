"""The job's own modules around a feature maker that needs no model: what an erasure has to undo is
made by what makes it, without Spark."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from darkroom.coordinates import pca, statistics, versions
from darkroom.coordinates.corpus import project_file, statistics_of_files
from darkroom.coordinates.vectors import vector_column
from darkroom.erasure import block_list, request
from darkroom.erasure.erase import Eraser
from darkroom.erasure.places import Places
from darkroom.erasure.request import ErasureRequest, Selector
from darkroom.erasure.search import on_threads
from darkroom.erasure.uploads import Uploads
from darkroom.errors import ObjectNotFoundError
from darkroom.layout import ERASURES, Run, erasure_request, label_of
from darkroom.manifest import Entry
from darkroom.run import receipt
from darkroom.run.receipt import PcaNote
from darkroom.storage.parquet import (
    FEATURES_SCHEMA,
    REJECTED_SCHEMA,
    SKIPPED_SCHEMA,
    THUMBNAILS_SCHEMA,
    to_parquet,
)
from emr_serverless_job.account import Clock, files_of, receipt_of, stored_in
from emr_serverless_job.request import Request
from functions.aws.bucket import Bucket
from functions.erasure.right_of_way import Erasures
from tests.functions.cloud.job import runs_of
from tests.functions.cloud.world import World

DIMENSIONS = 60
MODEL = b"model"
_ROWS_A_FILE = 3


def really(world: World, job: dict[str, Any]) -> None:
    """Do a job as the real one would, its log included."""
    words = job["jobDriver"]["sparkSubmit"]["entryPointArguments"]
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    if words[0] == "--erase":
        with world.handling("ErasureRole"):  # its AWS calls are points of injection, too
            eraser(world, int(options["run"])).erase(
                [_request(world, name) for name in options["requests"].split(",")]
            )
        return
    for run in runs_of(job):
        entries = world.entries_of(run.batch, run.number)
        featurize(world, run, entries)
    world.s3.put_object(
        Bucket="artifacts",
        Key=f"logs/applications/a/jobs/{job['jobRunId']}/SPARK_DRIVER/stderr.gz",
        Body=gzip.compress(f"slow: {entries[-1].key}".encode()),
    )


def eraser(world: World, number: int) -> Eraser:
    places = Places(
        world.results,
        Uploads(world.s3, "uploads"),
        Uploads(world.s3, "results"),
        Bucket(world.s3, "artifacts"),
        "logs",
        on_threads(world.results),
    )
    return Eraser(Run(ERASURES, number), places)


def _request(world: World, name: str) -> ErasureRequest:
    return request.unpack(world.results.read(erasure_request(name)))


def featurize(world: World, run: Run, entries: list[Entry]) -> None:
    """Features by content, statistics, coordinates (in a version of their own if the world wants
    one) and receipt."""
    results, blocked = world.results, block_list.load(world.results)
    good, bad, others = [], [], []
    for entry in entries:
        data = _content(world, entry)
        digest = hashlib.sha256(data or b"").hexdigest()
        if data is None or blocked.blocks(digest) or b"broken" in data:
            reason = "missing" if data is None else "decode_error"
            reason = "erased" if data and blocked.blocks(digest) else reason
            known = digest if reason == "decode_error" else None
            bad.append({"path": entry.key, "reason": reason, "detail": "", "content_sha256": known})
        elif entry.key.endswith(".txt"):
            others.append({"path": entry.key, "size_bytes": 1, "content_sha256": digest})
        else:
            good.append((entry.key, digest))
    for number, start in enumerate(range(0, len(good), _ROWS_A_FILE)):
        table = _features(good[start : start + _ROWS_A_FILE])
        results.write(f"{run.results}/part-{number:05d}.parquet", to_parquet(table))
        if number:
            continue  # one file of thumbnails a run: each costs the fault tests seconds
        small = table.select(["path", "content_sha256"]).append_column("jpeg", table["path"])
        small = small.cast(THUMBNAILS_SCHEMA)
        results.write(f"{run.thumbnails}/part-{number:05d}.parquet", to_parquet(small))
    if bad:
        table = pa.Table.from_pylist(bad, REJECTED_SCHEMA)
        results.write(f"{run.rejected}/part-00000.parquet", to_parquet(table))
    if others:
        table = pa.Table.from_pylist(others, SKIPPED_SCHEMA)
        results.write(f"{run.skipped}/part-00000.parquet", to_parquet(table))
    asked = Request(run, entries, results.uri, MODEL)
    files = files_of(results, run).to_pylist()
    account = receipt_of(asked, [stored_in(results, some) for some in files], Clock())
    note = _place(world, run)
    results.write(run.receipt, receipt.pack(replace(account, pca=note)))


def _content(world: World, entry: Entry) -> bytes | None:
    try:
        return Bucket(world.s3, "uploads").read(entry.key)
    except ObjectNotFoundError:
        return None


def _features(rows: list[tuple[str, str]]) -> pa.Table:
    seeds = [int(digest[:8], 16) for _, digest in rows]
    vectors = [np.random.default_rng(seed).random(DIMENSIONS, np.float32) for seed in seeds]
    columns = {
        "path": pa.array([key for key, _ in rows]),
        "label": pa.array([label_of(key) for key, _ in rows]),
        "features": vector_column(np.stack(vectors)),
        "content_sha256": pa.array([digest for _, digest in rows]),
        "width": pa.array([8] * len(rows), pa.int32()),
        "height": pa.array([8] * len(rows), pa.int32()),
        "format": pa.array(["JPEG"] * len(rows)),
        "backbone": pa.array(["b"] * len(rows)),
        "has_more": pa.array([False] * len(rows)),
    }
    schema = FEATURES_SCHEMA.with_metadata({"made": "by a test"})
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _place(world: World, run: Run) -> PcaNote | None:
    results = world.results
    share = statistics_of_files(results, results.list(run.results, ".parquet"))
    if share is None:
        return None
    results.write(run.statistics, statistics.pack(share))
    earlier = [other for other in receipt.done_runs(results) if other != run]
    current = versions.current_version(results)
    refit = current is None or current.number < world.pca_version
    if refit:
        runs = [run, *earlier]
        merged = share
        for other in earlier:
            if other.statistics in results.list(other.statistics.rpartition("/")[0]):
                merged = merged + statistics.unpack(results.read(other.statistics))
        coming = replace(versions.next_version(results), basis=pca.fit(merged))
        current = versions.claim(results, "b", runs, merged, coming)
        project(world, runs, current)
        versions.publish(results, "b", current)
    else:
        assert current is not None
        project(world, [run], current)
    return PcaNote(current.number, refit, current.basis.rank, 0.9)


def project(world: World, runs: list[Run], version: versions.Version) -> None:
    for run in runs:
        for source in world.results.list(run.results, ".parquet"):
            target = f"{run.results_pca(version.number)}/{source.rpartition('/')[2]}"
            project_file(world.results, source, target, version.basis)


def ask(world: World, number: str, selector: Selector, keep_copies: bool = False) -> None:
    """Hand in a request to erase, as the command line does."""
    asked = ErasureRequest(number, selector, "ab" * 16, "2026-11-23", "me", "case 7", keep_copies)
    world.results.write(erasure_request(number), request.pack(asked))
    record = Erasures(world.runs, world.queues).register(asked)
    world.queues.pass_on(record)
