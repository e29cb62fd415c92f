"""The commands that work on a stack, in AWS or on this machine alike."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import boto3
import click

from darkroom.cli import local
from darkroom.cli.backlog import backlog_words
from darkroom.cli.deploy import Deployment, deploy, is_deployed, where_to_drop
from darkroom.cli.destroy import destroy
from darkroom.cli.get import get_batch
from darkroom.cli.home import ensure_model, home
from darkroom.cli.left_out import follow_links_option
from darkroom.cli.put import put_folder, tell
from darkroom.cli.say import json_text, rewind, say, say_json
from darkroom.cli.stack import Stack, open_stack
from darkroom.cli.status import chosen, records
from darkroom.errors import DarkroomError, UsageError
from darkroom.layout import ERASURES, Run
from functions.job_runs import JobWatch
from functions.records import FINISHED, RunRecord, State
from functions.redrive import Redriven, redrive
from functions.retry import retry_failed, retry_rejected
from functions.wording import as_json, title, words

STACK = "darkroom"

stack_option = click.option(
    "--stack", "stack_name", default=STACK, envvar="DARKROOM_STACK", show_default=True,
    help="Name of the CloudFormation stack.",
)  # fmt: skip
stop_jobs_option = click.option(
    "--stop-jobs", is_flag=True, help="Cancel Spark jobs that run, where they are in the way."
)
json_option = click.option("--json", "for_programs", is_flag=True, help="For programs.")
run_option = click.option("--run", type=click.IntRange(1), help="A run; the newest unless given.")


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
    return "\n".join([*lines, *backlog_words(stack), *local.trouble()])


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
    watch = JobWatch(None, stack.outputs["ApplicationId"], stack.artifacts, "logs")
    log = watch.log(record.job_run_id)
    if not log:
        raise UsageError("the job has written no log yet: try again in a minute")
    say(log, nl=False)


@click.command()
@click.argument("batch")
@run_option
@click.option("--rejected", is_flag=True, help="Work the images again that a run rejected.")
@stack_option
def retry(batch: str, run: int | None, rejected: bool, stack_name: str) -> None:
    """Work images of a BATCH again: those of a failed run, or those that were rejected."""
    stack = open_stack(stack_name)
    record = chosen(stack, batch, run)
    if rejected:
        again = retry_rejected(record, stack.runs, stack.queues, stack.results)
    else:
        again = retry_failed(record, stack.runs, stack.queues)
    what = "requests" if batch == ERASURES else "images"
    say(f"{title(again)}: {again.images} {what} are worked again")


@click.command("redrive")
@stack_option
def redrive_command(stack_name: str) -> None:
    """Bring messages back from the dead-letter queues, when what they failed on is mended."""
    sqs = boto3.client("sqs")
    pairs = open_stack(stack_name).dead_letters.items()
    done = sum((redrive(sqs, *pair) for pair in pairs), Redriven())
    say(f"{done.moved} messages brought back" if done.moved else "no messages were brought back")
    if done.left:
        raise DarkroomError(f"{done.left} messages could not be sent: they are dead letters still")


@click.command("deploy")
@stack_option
@click.option("--region", envvar="AWS_DEFAULT_REGION", help="An EU region with EMR Serverless.")
@click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
              help="A parameter of template.yaml; may be repeated.")  # fmt: skip
@click.option("--model", "model_path", type=click.Path(path_type=Path, exists=True),
              help="An ONNX backbone of your own.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Build everything, send nothing.")
@click.option("--check/--no-check", default=True, help="Verify with a tiny batch.")
@stop_jobs_option
def deploy_command(
    stack_name: str,
    region: str | None,
    parameters: tuple[str, ...],
    model_path: Path | None,
    dry_run: bool,
    check: bool,
    stop_jobs: bool,
) -> None:
    """Deploy Darkroom, or bring a deployed one up to date."""
    region = region or boto3.session.Session().region_name or ""
    os.environ["AWS_DEFAULT_REGION"] = region
    stack = deploy(
        Deployment(
            stack_name,
            region,
            model_path,
            _pairs(parameters),
            check=check,
            dry_run=dry_run,
            stop_jobs=stop_jobs,
        )
    )
    if stack is not None:
        say("\n".join(["", *where_to_drop(stack)]))


def _pairs(parameters: tuple[str, ...]) -> dict[str, str]:
    wrong = [parameter for parameter in parameters if "=" not in parameter]
    if wrong:
        raise UsageError(f"--parameter {wrong[0]}: write it as NAME=VALUE")
    return dict(parameter.split("=", 1) for parameter in parameters)


@click.command("destroy")
@stack_option
@click.option("--region", envvar="AWS_DEFAULT_REGION", help="Where the stack is.")
@click.option("--delete-data", is_flag=True,
              help="Also delete uploads, results, history, keys and people.")  # fmt: skip
@stop_jobs_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy_command(
    stack_name: str, region: str | None, delete_data: bool, stop_jobs: bool, yes: bool
) -> None:
    """Remove a deployed Darkroom, whole or half-made; with --delete-data also what an earlier
    removal left."""
    region = region or boto3.session.Session().region_name or ""
    os.environ["AWS_DEFAULT_REGION"] = region
    what = "with all uploads and results" if delete_data else "(what it holds stays)"
    if not yes:
        asked = f"Remove the stack {stack_name} {what}? Type its name to go on"
        if click.prompt(asked, default="", show_default=False) != stack_name:
            raise UsageError("nothing was removed")
    say("\n".join(destroy(stack_name, region, delete_data, stop_jobs)))


@click.group("local")
def local_group() -> None:
    """Run the whole stack on this machine, without an AWS account."""


@local_group.command()
@click.option("--port", type=click.IntRange(1, 65535), help="On loopback; a free one unless given.")
@click.option("--cores", type=click.IntRange(1), default=os.cpu_count(), show_default=True,
              help="For Spark.")  # fmt: skip
@click.option("--quiet-seconds", type=click.IntRange(1),
              help="A batch is complete when no upload came for so long; at first 10.")  # fmt: skip
@stack_option
def up(port: int | None, cores: int, quiet_seconds: int | None, stack_name: str) -> None:
    """Start the local cloud, and deploy the stack on it."""
    model = ensure_model().path
    cloud = local.start(local.folder_of(home()), home(), port, cores)
    local.use(cloud)
    stack = deploy_locally(stack_name, cloud, model, quiet_seconds)
    local.settled(cloud)
    say(f"\nthe local cloud is up at {cloud.endpoint}; its state: {local.folder_of(home())}")
    say("\n".join(where_to_drop(stack, "darkroom --local")))
    say("\nwith `darkroom --local ...`, or, for the AWS CLI and any other client, paste:")
    for name, value in cloud.environment.items():
        say(f"  export {name}={value}")


def deploy_locally(
    stack_name: str, cloud: local.LocalCloud, model: Path, quiet_seconds: int | None
) -> Stack:
    """The stack of `template.yaml` on a local cloud, with waits that suit one person."""
    parameters = {"MarkerSeconds": "3", "ReconcileMinutes": "2", "PageOrigin": cloud.page}
    if quiet_seconds or not is_deployed(stack_name):
        parameters["QuietSeconds"] = str(quiet_seconds or 10)
    deploy(Deployment(stack_name, cloud.region, model, parameters, archive=False, check=False))
    return open_stack(stack_name)


@local_group.command()
def down() -> None:
    """Stop the local cloud; what is in it stays."""
    stopped = local.stop(local.folder_of(home()))
    say("the local cloud is stopped" if stopped else "the local cloud was not up")


@local_group.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Stop the local cloud and delete everything in it."""
    if not yes:
        click.confirm("Delete every batch and result in the local cloud?", abort=True)
    local.reset(local.folder_of(home()))
    say("the local cloud is empty")


@local_group.command("logs")
@click.option("--lines", type=click.IntRange(1), default=100, show_default=True)
def local_logs(lines: int) -> None:
    """Show the end of the local cloud's own log, with its functions' output."""
    file = local.log_file(local.folder_of(home()))
    if not file.is_file():
        raise UsageError("there is no log: the local cloud has never been up")
    for line in file.read_text(errors="replace").splitlines()[-lines:]:
        say(line)


COMMANDS = (put, status, get, logs, retry, redrive_command, deploy_command, destroy_command,
            local_group)  # fmt: skip
