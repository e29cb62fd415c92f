"""The commands that work on a stack, in AWS or on this machine alike."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from cli.commands.options import json_option, run_option, stack_option
from cli.on_stack.backlog import backlog_words
from cli.on_stack.get import get_batch
from cli.on_stack.put import put_folder, tell
from cli.on_stack.stack import Stack, open_stack
from cli.on_stack.status import chosen, records
from cli.terminal.left_out import follow_links_option
from cli.terminal.say import json_text, rewind, say, say_json
from darkroom.errors import DarkroomError, UsageError
from darkroom.layout import Run
from functions.publication.job_watch import JobWatch
from functions.runs.records import FINISHED, Lane, RunRecord, State
from functions.runs.wording import as_json, title, words
from local_cloud import control


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--batch", required=True, help="Name of the batch.")
@click.option("--ready", is_flag=True, help="Then mark the batch as complete.")
@follow_links_option
@json_option
@stack_option
def put(
    folder: Path, batch: str, ready: bool, follow_links: bool, for_programs: bool, stack_name: str
) -> None:
    """Upload every file in FOLDER to a batch; its folders become labels.

    What is there already with the same content is not sent again, so an interrupted upload goes on
    where it was.
    """
    try:
        sent = put_folder(open_stack(stack_name), folder, batch, ready, follow_links)
    except KeyboardInterrupt as stop:
        raise DarkroomError(
            "stopped. The same command goes on where it was; what was sent so far is processed "
            "when the batch goes quiet"
        ) from stop
    tell(sent, batch, ready, for_programs)


@click.command()
@click.argument("batch", required=False)
@click.option("--watch", is_flag=True, help="Go on until nothing is on its way any more.")
@json_option
@stack_option
def status(batch: str | None, watch: bool, for_programs: bool, stack_name: str) -> None:
    """Say where each batch stands, or the runs of one BATCH.

    With --watch, the exit code is 1 if a run that was watched failed.
    """
    stack = open_stack(stack_name)
    before: tuple[list[object], int] = ([], 0)  # states, and lines on the screen
    watched: set[Run] = set()  # seen under way
    while True:
        found = records(stack, batch)
        watched |= {record.key for record in found if record.state not in FINISHED}
        states: list[object] = [(record.batch, record.run, record.state) for record in found]
        if sys.stdout.isatty() or states != before[0] or not before[1]:
            shown = _shown(stack, batch, found, for_programs)
            if sys.stdout.isatty() and before[1]:
                rewind(before[1])
            say(shown)
            before = (states, shown.count("\n") + 1)
        if not watch:
            return
        if found and all(record.state in FINISHED for record in found):
            ended = {found[-1].key, *watched} if batch else watched
            sys.exit(any(r.state == State.FAILED for r in found if r.key in ended))
        time.sleep(1)


def _shown(stack: Stack, batch: str | None, found: list[RunRecord], for_programs: bool) -> str:
    rules = stack.closing_rules
    if for_programs:
        return json_text([as_json(record, rules) for record in found])
    lines = [f"{title(r)}: {words(r, rules, stack.progress(r))}" for r in found]
    if not found and batch:
        lines = [f"no uploads to batch {batch!r} yet; `darkroom status` lists all batches"]
    elif not found:
        lines = [f"no uploads yet; drop images into s3://{stack.uploads}/<batch>/<label>/<name>"]
    return "\n".join([*lines, *backlog_words(stack), *control.trouble()])


@click.command()
@click.argument("batch")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for results.")
@click.option("--fiftyone", is_flag=True, help="Also a folder of small pictures for FiftyOne.")
@json_option
@stack_option
def get(batch: str, out: Path, fiftyone: bool, for_programs: bool, stack_name: str) -> None:
    """Download the results of a BATCH, and make a file of them that embedding-atlas opens."""
    got = get_batch(open_stack(stack_name), batch, out, fiftyone)
    if for_programs:
        stale = [str(path) for path in got.stale]
        explore = str(got.explore) if got.explore else None
        say_json({"files": got.files, "explore": explore, "stale": stale})
        return
    say(f"{got.files} files in {out}")
    if got.explore:
        say(f"to explore: embedding-atlas {got.explore} --x x --y y --image image")
    if got.stale:
        say(
            f"{len(got.stale)} files there are no longer held, and may know of erased images; "
            "delete them:\n" + "\n".join(f"  {path}" for path in got.stale)
        )


@click.command()
@click.argument("batch")
@run_option
@stack_option
def logs(batch: str, run: int | None, stack_name: str) -> None:
    """Show the Spark job's log of a BATCH."""
    stack = open_stack(stack_name)
    record = chosen(stack, batch, run)
    if not record.job_run_id:
        raise UsageError(f"no job has been started yet: {words(record, stack.closing_rules)}")
    if record.lane == Lane.SMALL:
        raise UsageError(
            "a function worked it, no Spark job: in AWS its log is in CloudWatch, "
            f"/darkroom/{stack_name}/small-job, request {record.job_run_id}; on this machine it is "
            "in the cloud's server.log"
        )
    watch = JobWatch(None, stack.outputs["ApplicationId"], stack.artifacts, "logs")
    log = watch.log(record.job_run_id)
    if not log:
        raise UsageError("the job has written no log yet: try again in a minute")
    say(log, nl=False)


COMMANDS = (put, status, get, logs)
