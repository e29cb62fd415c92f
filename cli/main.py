"""`darkroom`: the commands, their options, and how errors become exit codes."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from importlib import import_module

import click
from click.shell_completion import get_completion_class

from cli.on_this_machine.home import home
from cli.terminal.say import say
from darkroom import __version__
from darkroom.errors import DarkroomError, UsageError
from local_cloud import control

# Commands by their modules, which are imported when they are wanted: AWS' libraries take most of a
# second, and a folder of pictures needs none of them.
_FAMILIES = {
    "folder": ("model", "warmup", "run", "audit"),
    "batches": ("put", "status", "get", "logs"),
    "exploring": ("similar", "duplicates", "drift", "open"),
    "repair": ("retry", "redrive"),
    "privacy": ("erase", "trace", "verify", "unblock", "erasures"),
    "deploying": ("deploy", "destroy", "doctor"),
    "local": ("local",),
}


class _Group(click.Group):
    """Exit code 2 for what the user can change, 1 for what failed."""

    def list_commands(self, context: click.Context) -> list[str]:
        of_families = [name for names in _FAMILIES.values() for name in names]
        return sorted([*super().list_commands(context), *of_families])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        for module, names in _FAMILIES.items():
            if name in names:
                commands: tuple[click.Command, ...]
                commands = import_module(f"cli.commands.{module}").COMMANDS
                return next(command for command in commands if command.name == name)
        return super().get_command(context, name)

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except UsageError as error:
            say(f"darkroom: {error}", err=True)
            sys.exit(2)
        except DarkroomError as error:
            say(f"darkroom: {error}", err=True)
            sys.exit(1)
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "botocore":
                raise
            say(f"darkroom: AWS refuses: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Group)
@click.version_option(__version__)
@click.option("--local", "on_this_machine", is_flag=True, envvar="DARKROOM_LOCAL",
              help="Work on the local cloud instead of AWS.")  # fmt: skip
def cli(on_this_machine: bool) -> None:
    """Images in; features, principal components, CSV and a balanced receipt out."""
    if on_this_machine:
        control.use(control.require(control.folder_of(home())))


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what lets a SHELL complete commands: `eval "$(darkroom completion bash)"`."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    say(kind(root, {}, "darkroom", "_DARKROOM_COMPLETE").source())


def main() -> None:
    """The command itself. It leaves without the interpreter's last steps: a native library's
    thread that outlives it can abort the process, and what is done would be reported as failed."""
    try:
        cli()
    except SystemExit as ended:
        logging.shutdown()
        with suppress(OSError):  # whoever read what was printed has gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


if __name__ == "__main__":
    main()
