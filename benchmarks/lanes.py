"""Many batches at once: how many jobs, seconds and what money they take, in the local cloud.

    python -m benchmarks.lanes [--images N]

1, 10 and 100 batches are dropped side by side, each of 100 pictures, with a marker.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep

import boto3

from benchmarks.end_to_end import make_pictures
from benchmarks.record import save
from cli.deploying.locally import deploy_locally
from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from cli.on_this_machine.home import ensure_model, home
from darkroom.errors import DarkroomError
from functions.runs.records import FINISHED, RunRecord, State
from local_cloud import control

BATCHES = (1, 10, 100)
METHOD = """\
1, 10 and 100 batches of 100 JPEGs of 100x100, sent side by side to a stack on the local cloud with
the default backbone, each with a `_READY` marker after its last picture; one after the other of the
three. `jobs` are EMR Serverless jobs, `seconds` from the first upload until the last batch is done,
`job_seconds` those of all jobs together, `cost` what the stack says (us-east-1's prices, local
seconds). `alone_seconds` is the time of one such batch by itself, times their number: what it would
take with a job for each, one after the other; `ratio` how many times as long that is."""


def drop(stack: Stack, folder: Path, batches: list[str]) -> None:
    """All of the folder to each batch, then its marker."""
    pictures = sorted(path for path in folder.rglob("*.jpg"))

    def one(batch: str) -> None:
        for path in pictures:
            name = path.relative_to(folder).as_posix()
            put_bytes(stack, f"{batch}/{name}", path.read_bytes() + batch.encode())
        put_bytes(stack, f"{batch}/_READY", b'{"images": %d}' % len(pictures))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, batches))


def done(stack: Stack, batches: list[str]) -> list[RunRecord]:
    """Their runs, when all have come to an end. Raises `DarkroomError` where one has failed."""
    while True:
        found = [stack.runs.latest(batch) for batch in batches]
        records = [record for record in found if record is not None]
        if len(records) == len(batches) and all(r.state in FINISHED for r in records):
            break
        sleep(0.5)
    failed = [record for record in records if record.state != State.DONE]
    if failed:
        raise DarkroomError(f"{failed[0].key} failed: {failed[0].reason}")
    return records


def measured(stack: Stack, folder: Path, count: int) -> dict[str, float]:
    """The numbers of so many batches."""
    batches = [f"of-{count}-{number:03}" for number in range(count)]
    began = monotonic()
    drop(stack, folder, batches)
    records = done(stack, batches)
    seconds = monotonic() - began
    emr = boto3.client("emr-serverless")
    jobs = {record.job_run_id for record in records}
    number = stack.outputs["ApplicationId"]
    told = [emr.get_job_run(applicationId=number, jobRunId=job)["jobRun"] for job in jobs]
    return {
        "batches": count,
        "images": sum(record.processed or 0 for record in records),
        "jobs": len(jobs),
        "seconds": round(seconds, 1),
        "job_seconds": sum(job["totalExecutionDurationSeconds"] for job in told),
        "cost": round(sum(record.cost or 0 for record in records), 6),
    }


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    scratch = Path(tempfile.mkdtemp(prefix="darkroom-lanes-"))
    try:
        make_pictures(scratch / "pictures", parser.parse_args().images)
        cloud = control.start(scratch / "cloud", home(), None, os.cpu_count() or 1)
        try:
            control.use(cloud)
            model = ensure_model().path
            stack = deploy_locally("darkroom-bench", cloud, model, quiet_seconds=10)
            rows = [measured(stack, scratch / "pictures", count) for count in BATCHES]
        finally:
            control.stop(scratch / "cloud")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for row in rows:
        row["alone_seconds"] = round(rows[0]["seconds"] * row["batches"], 1)
        row["ratio"] = round(row["alone_seconds"] / row["seconds"], 1)
        print(row, flush=True)
    save("lanes", METHOD, {"rows": rows})


if __name__ == "__main__":
    main()
