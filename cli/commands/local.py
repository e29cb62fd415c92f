"""`darkroom local`: the stack on this machine."""

from __future__ import annotations

import os

import click

from cli.commands.options import stack_option
from cli.deploying.deploy import where_to_drop
from cli.deploying.locally import deploy_locally
from cli.on_this_machine.home import ensure_model, home
from cli.terminal.say import say
from darkroom.errors import UsageError
from local_cloud import control


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
    cloud = control.start(control.folder_of(home()), home(), port, cores)
    control.use(cloud)
    stack = deploy_locally(stack_name, cloud, model, quiet_seconds)
    control.settled(cloud)
    say(f"\nthe local cloud is up at {cloud.endpoint}; its state: {control.folder_of(home())}")
    say("\n".join(where_to_drop(stack, "darkroom --local")))
    say("\nwith `darkroom --local ...`, or, for the AWS CLI and any other client, paste:")
    for name, value in cloud.environment.items():
        say(f"  export {name}={value}")


@local_group.command()
def down() -> None:
    """Stop the local cloud; what is in it stays."""
    stopped = control.stop(control.folder_of(home()))
    say("the local cloud is stopped" if stopped else "the local cloud was not up")


@local_group.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Stop the local cloud and delete everything in it."""
    if not yes:
        click.confirm("Delete every batch and result in the local cloud?", abort=True)
    control.reset(control.folder_of(home()))
    say("the local cloud is empty")


@local_group.command("logs")
@click.option("--lines", type=click.IntRange(1), default=100, show_default=True)
def local_logs(lines: int) -> None:
    """Show the end of the local cloud's own log, with its functions' output."""
    file = control.log_file(control.folder_of(home()))
    if not file.is_file():
        raise UsageError("there is no log: the local cloud has never been up")
    for line in file.read_text(errors="replace").splitlines()[-lines:]:
        say(line)


COMMANDS = (local_group,)
