"""`make demo`: a folder of pictures the whole way, each step told as it happens.

Everything is started here, on loopback, and stopped at the end; what came out stays.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import boto3

from cli.commands.options import STACK
from cli.deploying.locally import deploy_locally
from cli.on_stack.get import get_batch
from cli.on_stack.stack import Stack
from cli.on_stack.status import wait_until_finished
from cli.on_this_machine.home import ensure_model, home
from cli.pictures.map import draw_map
from cli.terminal.account import account_lines
from cli.terminal.say import say
from darkroom.errors import DarkroomError, UsageError
from darkroom.printable import printable
from darkroom.run import receipt
from darkroom.run.folder import walk_folder
from darkroom.storage.local import LocalStore
from functions.runs.records import RunRecord, State
from functions.runs.wording import words
from local_cloud import control

QUIET_SECONDS = 5

Say = Callable[[str], None]


def demo(photos: Path, out: Path) -> None:
    """Take the pictures the whole way. Raises `DarkroomError` unless their run is done."""
    if not photos.is_dir() or not walk_folder(photos):
        raise UsageError(f"{photos} is no folder with pictures")
    model, began = ensure_model().path, monotonic()

    def timed(text: str) -> None:
        say(f"{monotonic() - began:6.1f} s  {printable(text)}")

    with _cloud(out / "cloud", timed) as cloud:
        stack = deploy_locally(STACK, cloud, model, QUIET_SECONDS)
        timed(
            "deployed template.yaml: buckets, queues, table, functions, Spark application, catalog"
        )
        batch = photos.resolve().name
        _drop(stack, photos, batch, timed)
        record = wait_until_finished(stack, batch, on_change=lambda r: _tell(stack, r, timed))
        if record.state != State.DONE:
            raise DarkroomError(f"the run failed: {record.reason}")
        results = out / "results"
        timed(f"{get_batch(stack, batch, results).files} files of results fetched")
        _sum_up(stack, record)
        drawn = draw_map(LocalStore(results), photos.resolve().parent, out / "map.png")
        say(
            f"  files       {results}: Results/ Results_PCA/ Results_CSV/ Rejected/ Skipped/ "
            "Thumbnails/ receipts/"
        )
        say(f"  map         {out / 'map.png' if drawn else 'none: there is nothing to draw'}")


@contextmanager
def _cloud(folder: Path, timed: Say) -> Iterator[control.LocalCloud]:
    cloud = control.start(folder, home(), None, os.cpu_count() or 1)
    try:
        timed(f"local cloud up at {cloud.endpoint} (no account, no Docker)")
        control.use(cloud)
        yield cloud
    finally:
        control.stop(folder)
        timed("local cloud stopped")


def _drop(stack: Stack, photos: Path, batch: str, timed: Say) -> None:
    """With the AWS CLI itself, as anybody would."""
    command = ["s3", "cp", "--recursive", "--only-show-errors", str(photos),
               f"s3://{stack.uploads}/{batch}/"]  # fmt: skip
    timed(f"$ aws {' '.join(command)}")
    subprocess.run([sys.executable, "-m", "awscli", *command], check=True)
    timed("uploaded; from here on nobody does anything")


def _tell(stack: Stack, record: RunRecord, timed: Say) -> None:
    timed(f"run {record.run} {record.state:9}  {words(record, stack.closing_rules)}")


def _sum_up(stack: Stack, record: RunRecord) -> None:
    account = receipt.unpack(stack.results.read(record.key.receipt))
    say(f"\nbatch {printable(record.batch)}, run {record.run}: done")
    lines = account_lines(account.equation, account.rejected_by_reason, account.skipped)
    say("\n".join(lines))
    if note := account.pca:
        kept = f"{note.variance_kept:.1%} of the variance kept"
        say(f"  PCA         version {note.version}, {kept}")
    say(f"  cost        {record.cost:.4f} {record.currency} as EMR Serverless would bill it: "
          f"{record.vcpu_hours:.4f} vCPU-hours, {record.memory_gb_hours:.4f} GB-hours")  # fmt: skip
    say(f"  catalog     {', '.join(_tables(stack))}")


def _tables(stack: Stack) -> list[str]:
    """The Glue tables that show this run, with their numbers of partitions."""
    glue, database = boto3.client("glue"), stack.outputs["GlueDatabase"]
    told = []
    for table in glue.get_tables(DatabaseName=database)["TableList"]:
        if table.get("TableType") == "VIRTUAL_VIEW":
            told.append(f"{table['Name']} (version {table['Parameters']['pca_version']})")
        else:
            found = glue.get_partitions(DatabaseName=database, TableName=table["Name"])
            told.append(f"{table['Name']} ({len(found['Partitions'])})")
    return told


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops what was started, like Ctrl-C
    try:
        demo(Path(sys.argv[1]).expanduser(), Path(sys.argv[2]))
    except DarkroomError as error:
        sys.exit(f"darkroom: {error}")
    except KeyboardInterrupt:
        sys.exit("darkroom: stopped")
