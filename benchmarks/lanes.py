"""Many batches at once, and small ones by themselves: jobs, seconds and money, in the local cloud.

    python -m benchmarks.lanes [--images N]

Batches of 1 to 1,000 pictures, each to the Spark job and to the function for small batches. Then 1,
10 and 100 batches, dropped side by side, each of 100 pictures, with a marker; and all of their
pictures as one batch.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import boto3

from benchmarks.end_to_end import make_pictures
from benchmarks.record import save
from cli.deploying.locally import deploy_locally
from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from cli.on_this_machine.home import ensure_model, home
from darkroom.errors import DarkroomError
from functions.runs.records import FINISHED, Lane, RunRecord, State
from local_cloud import control

BATCHES = (1, 10, 100)
SIZES = (1, 10, 100, 1000)
METHOD = """\
`lanes`: a batch of so many JPEGs of 100x100, alone on a new stack on the local cloud with the
default backbone, in the Spark job (`SmallBatchImages` 0), then on another in the function
(1,000); `seconds` from its closing until it is done, twice, the better one; `cost` what the
stack says (us-east-1's prices, local seconds).
`together`: 1, 10 and 100 batches of 100 such pictures, on a third, sent side by side, each with
a `_READY` marker after its last; one after the other of the three; then the pictures of all as
one batch. `jobs` are EMR Serverless jobs, `seconds` from the first upload until the last batch
is done, `job_seconds` those of all jobs together. `alone_seconds` is the time of one such batch
by itself, times their number: what it would take with a job for each, one after the other;
`ratio` how many times as long that is. `cost_ratio`: the 100 batches against the one.
`crossover`: computed. The function's seconds are a start and so many an image, a line through
100 and 1,000; in AWS it is assumed to take 1.7 times as long (1.7 vCPUs of ARM for these 2
cores), after `cold_start_seconds`. A small Spark job there takes 150 s and 0.016 USD whatever
it does, and then so much an image as here, on 14 vCPUs instead of 2."""
_AWS_SPARK_SECONDS, _AWS_SPARK_COST = 150, 0.016
_AWS_SLOWER, _AWS_FASTER = 1.7, 7
_COLD_START_SECONDS = 6  # imports, model and decoders of 240 MB of packages


def drop(stack: Stack, pictures: Sequence[Path], batches: Sequence[str]) -> None:
    """All pictures to each batch, then its marker."""

    def one(batch: str) -> None:
        for path in pictures:
            name = f"{path.parent.name}/{path.name}"
            put_bytes(stack, f"{batch}/{name}", path.read_bytes() + batch.encode())
        put_bytes(stack, f"{batch}/_READY", b'{"images": %d}' % len(pictures))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, batches))


def done(stack: Stack, batches: Sequence[str]) -> list[RunRecord]:
    """Their runs, when all have come to an end. Raises `DarkroomError` where one has failed."""
    while True:
        found = [stack.runs.latest(batch) for batch in batches]
        records = [record for record in found if record is not None]
        if len(records) == len(batches) and all(r.state in FINISHED for r in records):
            break
        sleep(0.2)
    failed = [record for record in records if record.state != State.DONE]
    if failed:
        raise DarkroomError(f"{failed[0].key} failed: {failed[0].reason}")
    return records


def together(stack: Stack, pictures: Sequence[Path], batches: Sequence[str]) -> dict[str, float]:
    """The numbers of batches of these pictures each, dropped side by side."""
    began = monotonic()
    drop(stack, pictures, batches)
    records = done(stack, batches)
    seconds = monotonic() - began
    emr = boto3.client("emr-serverless")
    jobs = {record.job_run_id for record in records}
    number = stack.outputs["ApplicationId"]
    told = [emr.get_job_run(applicationId=number, jobRunId=job)["jobRun"] for job in jobs]
    row = {
        "batches": len(batches),
        "images": sum(record.processed or 0 for record in records),
        "jobs": len(jobs),
        "seconds": round(seconds, 1),
        "job_seconds": sum(job["totalExecutionDurationSeconds"] for job in told),
        "cost": round(sum(record.cost or 0 for record in records), 6),
    }
    print(row, flush=True)
    return row


def alone(stack: Stack, pictures: Sequence[Path], lane: str) -> list[dict[str, Any]]:
    """The numbers of a batch of each size by itself."""
    rows = []
    for count in SIZES:
        tried = []
        for number in (1, 2):
            batch = f"{lane}-{count}-{number}"
            drop(stack, pictures[:count], [batch])
            tried += done(stack, [batch])
        best = min(tried, key=lambda record: record.changed_at - record.sealed_at)
        if (best.lane or Lane.SPARK) != lane:
            raise DarkroomError(f"{best.key} was worked by {best.lane}, not {lane}")
        seconds = round(best.changed_at - best.sealed_at, 1)
        rows.append({"images": count, "lane": lane, "seconds": seconds, "cost": best.cost})
        print(rows[-1], flush=True)
    return rows


def crossover(lanes: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """From how many images on Spark would be cheaper, and sooner ready, in AWS; and what 100 take
    in the function there."""
    found = {(row["lane"], row["images"]): row for row in lanes}

    def line(lane: str, name: str) -> tuple[float, float]:
        few, many = found[lane, 100][name] or 0.0, found[lane, 1000][name] or 0.0
        slope = max((many - few) / 900, 0.0)
        return few - 100 * slope, slope

    start, an_image = (_AWS_SLOWER * part for part in line(Lane.SMALL, "seconds"))
    start_cost, an_images_cost = (_AWS_SLOWER * part for part in line(Lane.SMALL, "cost"))
    spark_image = line(Lane.SPARK, "seconds")[1] / _AWS_FASTER
    spark_cost = line(Lane.SPARK, "cost")[1]
    cold = _COLD_START_SECONDS
    return {
        "cold_start_seconds": cold,
        "aws_seconds_of_100": round(cold + start + 100 * an_image, 1),
        "aws_cost_of_100": round(start_cost + 100 * an_images_cost, 6),
        "sooner_on_spark_from_images": round(
            (_AWS_SPARK_SECONDS - cold - start) / (an_image - spark_image), -2
        ),
        "cheaper_on_spark_from_images": _meet(
            _AWS_SPARK_COST - start_cost, an_images_cost - spark_cost
        ),
    }


def _meet(ahead: float, loses_an_image: float) -> float:
    """After how many images a lead is gone; 0 where it never is."""
    return round(ahead / loses_an_image, -2) if loses_an_image > 0 else 0.0


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    images = parser.parse_args().images
    scratch = Path(tempfile.mkdtemp(prefix="darkroom-lanes-"))
    try:
        make_pictures(scratch / "pictures", max(images * BATCHES[-1], SIZES[-1]))
        pictures = sorted(scratch.rglob("*.jpg"))
        lanes = []
        for lane, most in ((Lane.SPARK, 0), (Lane.SMALL, SIZES[-1])):
            with new_stack(scratch / lane, most) as stack:
                lanes += alone(stack, pictures, lane)
        with new_stack(scratch / "together", 0) as stack:
            numbers = all_at_once(stack, pictures, images)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    save("lanes", METHOD, {"lanes": lanes, "crossover": crossover(lanes), **numbers})


@contextmanager
def new_stack(folder: Path, small_batch_images: int) -> Iterator[Stack]:
    """A stack on a local cloud of its own, where nothing was worked before."""
    cloud = control.start(folder, home(), None, os.cpu_count() or 1)
    try:
        control.use(cloud)
        more = {"SmallBatchImages": str(small_batch_images)}
        yield deploy_locally("darkroom-bench", cloud, ensure_model().path, 10, more)
    finally:
        control.stop(folder)


def all_at_once(stack: Stack, pictures: Sequence[Path], images: int) -> dict[str, Any]:
    """The numbers of many batches, and of the same pictures in one."""
    rows = [
        together(stack, pictures[:images], [f"of-{count}-{n:03}" for n in range(count)])
        for count in BATCHES
    ]
    whole = together(stack, pictures[: images * BATCHES[-1]], ["whole"])
    for row in rows:
        row["alone_seconds"] = round(rows[0]["seconds"] * row["batches"], 1)
        row["ratio"] = round(row["alone_seconds"] / row["seconds"], 1)
    ratio = round(rows[-1]["cost"] / whole["cost"], 2)
    return {"together": rows, "whole": whole, "cost_ratio": ratio}


if __name__ == "__main__":
    main()
