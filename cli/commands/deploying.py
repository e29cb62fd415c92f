"""`darkroom deploy`, `destroy` and `doctor`: the stack itself."""

from __future__ import annotations

import os
from pathlib import Path

import boto3
import click

from cli.commands.options import json_option, stack_option, stop_jobs_option
from cli.deploying.deploy import Deployment, deploy, where_to_drop
from cli.deploying.destroy import destroy
from cli.deploying.doctor import Finding, examine
from cli.deploying.verify_deployment import verify
from cli.on_stack.stack import open_stack
from cli.terminal.say import say, say_json
from darkroom.errors import DarkroomError, UsageError


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


@click.command()
@click.option("--send", is_flag=True, help="Also send a broken picture the whole way.")
@json_option
@stack_option
def doctor(send: bool, for_programs: bool, stack_name: str) -> None:
    """Look at a deployed stack for what keeps images from their results. Exit code 1 for faults."""
    stack = open_stack(stack_name)
    findings = list(examine(stack))
    if for_programs:
        say_json([vars(found) for found in findings])
    else:
        for found in findings:
            say(_line(found))
    faults = [found for found in findings if found.fault]
    if faults:
        raise DarkroomError(f"{len(faults)} of {len(findings)} checks found a fault")
    if send:
        verify(stack)


def _line(found: Finding) -> str:
    if found.fault:
        return f"FAULT  {found.check}: {found.fault}. What to do: {found.do}"
    return f"ok     {found.check}: {found.seen}"


COMMANDS = (deploy_command, destroy_command, doctor)
