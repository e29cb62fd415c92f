"""What the Spark job leaves, written without it."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from darkroom.coordinates.vectors import vector_column
from darkroom.errors import ObjectNotFoundError
from darkroom.layout import CURRENT_PCA, JOBS, Run, label_of, run_in
from darkroom.run import receipt
from darkroom.run.receipt import Duplicates, PcaNote, Receipt
from darkroom.storage.parquet import (
    COMPONENTS,
    FEATURES_SCHEMA,
    PCA_SCHEMA,
    REJECTED_SCHEMA,
    to_parquet,
)
from functions.aws.bucket import Bucket
from functions.runs.records import RunRecord, State

if TYPE_CHECKING:
    from tests.functions.cloud.world import World


_FEATURES = to_parquet(FEATURES_SCHEMA.empty_table())  # nobody but the job reads them


def job_of(batch: str, run: int) -> RunRecord:
    """The record of a job with that run alone."""
    member = {"batch": batch, "run": run, "attempt": 1, "images": 1}
    return RunRecord(JOBS, 1, State.SEALED, members=[member], images=1)


def runs_of(job: dict[str, Any]) -> dict[Run, int | None]:
    """The runs that a job was told to work, and how many files were announced of each."""
    words = job["jobDriver"]["sparkSubmit"]["entryPointArguments"]
    named = (word.removeprefix("--run-of=") for word in words if word.startswith("--run-of="))
    told = (name.partition("=") for name in named)
    return {run_in(run): int(expected) if expected else None for run, _, expected in told}


def job_says(world: World, job: dict[str, Any], words: str) -> None:
    """Its log, where EMR Serverless leaves it."""
    folder = f"logs/applications/{job['applicationId']}/jobs/{job['jobRunId']}"
    key = f"{folder}/SPARK_DRIVER/stdout.gz"
    world.s3.put_object(Bucket="artifacts", Key=key, Body=gzip.compress(words.encode()))


def attempt_of(job: dict[str, Any]) -> int:
    """That of the first run in it."""
    found = re.search(r"attempt-(\d+)", job["name"])
    return int(found[1]) if found else 1


def do_the_job(world: World, job: dict[str, Any]) -> None:
    """Write what the job writes: keys with "broken" in them are rejected."""
    for run, expected in runs_of(job).items():
        do_the_run(world, run, expected)


def do_the_run(world: World, run: Run, expected: int | None) -> None:
    """The same for one of its runs."""
    results = world.results
    entries = world.entries_of(run.batch, run.number)
    keys = [entry.key for entry in entries]
    bad = [entry.key for entry in entries if "broken" in entry.key or entry.refusal]
    there = {key for key in keys if key in bad or _exists(world, key)}
    good = [key for key in keys if key in there and key not in bad]
    if bad or len(there) < len(keys):
        rows = [{"path": key, "reason": "decode_error", "detail": "", "content_sha256": ""}
                for key in bad]  # fmt: skip
        table = pa.Table.from_pylist(rows, REJECTED_SCHEMA)
        results.write(f"{run.rejected}/part-00000.parquet", to_parquet(table))
    if good:
        _place(world, run)
    account = Receipt(
        batch=run.batch,
        run=run.number,
        backbone="b",
        found=len(keys),
        processed=len(good),
        rejected=len(bad),
        missing=len(keys) - len(there),
        skipped=0,
        rejected_by_reason={"decode_error": len(bad)} if bad else {},
        duplicates=Duplicates(),
        pca=PcaNote(world.pca_version, False, 50, 0.9) if good else None,
        seconds={},
        started_at="",
        finished_at="",
        expected=expected,
    )
    results.write(run.receipt, receipt.pack(account))


def _place(world: World, run: Run) -> None:
    """Features, a share, and coordinates of it and of all runs that are done."""
    results, version = world.results, world.pca_version
    results.write(f"{run.results}/part-00000.parquet", _FEATURES)
    results.write(run.statistics, b"")
    results.write(CURRENT_PCA, json.dumps({"version": version, "backbone": "b"}).encode())
    for placed in {run, *receipt.done_runs(results)}:
        if not results.list(placed.results):
            continue
        kept = [k for k in world.manifest_of(placed.batch, placed.number) if "broken" not in k]
        results.write(f"{placed.results_pca(version)}/part-00000.parquet", _coordinates(kept))


def _exists(world: World, key: str) -> bool:
    try:
        Bucket(world.s3, "uploads").read(key)
    except ObjectNotFoundError:
        return False
    return True


def _coordinates(keys: list[str]) -> bytes:
    columns = {
        "path": pa.array(keys, pa.string()),
        "label": pa.array([label_of(key) for key in keys], pa.string()),
        "pca": vector_column(np.ones((len(keys), COMPONENTS), np.float32)),
        "content_sha256": pa.array([""] * len(keys), pa.string()),
        "backbone": pa.array(["b"] * len(keys), pa.string()),
    }
    return to_parquet(pa.table([columns[n] for n in PCA_SCHEMA.names], schema=PCA_SCHEMA))
