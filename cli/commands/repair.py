"""`darkroom retry` and `redrive`: what failed, once more."""

from __future__ import annotations

import boto3
import click

from cli.commands.options import run_option, stack_option
from cli.on_stack.stack import open_stack
from cli.on_stack.status import chosen
from cli.terminal.say import say
from darkroom.errors import DarkroomError
from darkroom.layout import ERASURES
from functions.repair.redrive import Redriven, redrive
from functions.repair.retry import retry_failed, retry_rejected
from functions.runs.wording import title


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


COMMANDS = (retry, redrive_command)
