"""Three hundred small batches, one after the other, with an erasure now and then.

python -m benchmarks.soak [--batches N]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from benchmarks.end_to_end import make_pictures
from benchmarks.lanes import done, drop, new_stack
from benchmarks.record import save
from benchmarks.traces import digest, traces
from cli.on_stack.erase import new_request, submit
from cli.on_stack.stack import Stack
from cli.on_stack.status import wait_until_finished
from darkroom.erasure.request import Selector
from darkroom.errors import DarkroomError
from darkroom.layout import ERASURES
from functions.runs.records import State

BATCHES, IMAGES, WINDOW = 300, 20, 50
METHOD = f"""\
{BATCHES} batches of {IMAGES} JPEGs of 100x100 each, of which no two have the same bytes, on a new
stack on the local cloud, by the function for small batches; the next is sent when the last is done.
`seconds`: from the first upload until the batch is done, of which `work_seconds` after its closing,
medians of each {WINDOW}; `ratio` and `work_ratio`: the last of these against the second
(the first has the start of everything in it). `megabytes`:
resident memory of all processes of the cloud after each {WINDOW}. After each of these, an image is
erased; `erasure_seconds`. In the end every file of the cloud is searched for the names and the
digests of what was erased, in its bytes and in what is packed in it; `traces` are those found."""


def megabytes_of(folder: Path) -> int:
    """The resident memory of all processes that work in a folder."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in told and process.name != str(os.getpid()):
                total += int((process / "statm").read_text().split()[1])
        except (OSError, IndexError):  # it has ended
            continue
    return total * os.sysconf("SC_PAGE_SIZE") >> 20


def erase(stack: Stack, key: str) -> float:
    """Erase an image; the seconds that it took."""
    began = monotonic()
    record = submit(stack, new_request(Selector("keys", (key,)), "soak", False))
    ended = wait_until_finished(stack, ERASURES, record.run, lambda record: None)
    if ended.state != State.DONE or ended.processed != 1:
        raise DarkroomError(f"the erasure of {key} failed: {ended.reason}")
    return round(monotonic() - began, 1)


def soak(stack: Stack, folder: Path, pictures: Sequence[Path], batches: int) -> dict[str, Any]:
    """The numbers of so many batches, in windows."""
    seconds: list[float] = []
    work: list[float] = []
    windows: list[dict[str, float]] = []
    words: list[str] = []
    for number in count(1):
        batch, began = f"batch-{number:03}", monotonic()
        drop(stack, pictures, [batch])
        (record,) = done(stack, [batch])
        seconds.append(monotonic() - began)
        work.append(record.changed_at - record.sealed_at)
        if number % WINDOW == 0:
            gone = pictures[number % len(pictures)]
            key = f"{batch}/{gone.parent.name}/{gone.name}"
            words += [key, digest(gone.read_bytes() + batch.encode())]
            told = {
                "batches": number,
                "seconds": round(median(seconds[-WINDOW:]), 2),
                "work_seconds": round(median(work[-WINDOW:]), 2),
                "megabytes": megabytes_of(folder),
                "erasure_seconds": erase(stack, key),
            }
            windows.append(told)
            print(told, flush=True)
        if number == batches:
            break
    second = windows[min(1, len(windows) - 1)]
    ratio, work_ratio = (
        round(windows[-1][name] / second[name], 2) for name in ("seconds", "work_seconds")
    )
    return {"windows": windows, "ratio": ratio, "work_ratio": work_ratio,
            "traces": traces(folder, words)}  # fmt: skip


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=BATCHES)
    batches = parser.parse_args().batches
    scratch = Path(tempfile.mkdtemp(prefix="darkroom-soak-"))
    try:
        make_pictures(scratch / "pictures", IMAGES)
        pictures = sorted((scratch / "pictures").rglob("*.jpg"))
        with new_stack(scratch / "cloud", 1000) as stack:
            numbers = soak(stack, scratch / "cloud", pictures, batches)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    save("soak", METHOD, {"images": IMAGES, **numbers})


if __name__ == "__main__":
    main()
