"""`darkroom`: the commands, their options, and how errors become exit codes."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import click

from darkroom import __version__
from darkroom.cli import local
from darkroom.cli.home import ensure_model, home, model_words
from darkroom.cli.left_out import follow_links_option
from darkroom.cli.run import RunOptions, run_folder
from darkroom.cli.say import say
from darkroom.errors import DarkroomError, UsageError
from darkroom.images import Limits

# Commands by their modules, which are imported when they are wanted: AWS' libraries take most of a
# second, and a folder of pictures needs none of them.
_ELSEWHERE = {
    "cloud": ("put", "status", "get", "logs", "retry", "redrive", "deploy", "destroy", "local"),
    "look": ("similar", "duplicates", "open", "completion"),
    "doctor": ("doctor",),
    "privacy": ("erase", "trace", "verify", "unblock", "erasures"),
}


class _Group(click.Group):
    """Exit code 2 for what the user can change, 1 for what failed."""

    def list_commands(self, context: click.Context) -> list[str]:
        elsewhere = [name for names in _ELSEWHERE.values() for name in names]
        return sorted([*super().list_commands(context), *elsewhere])

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        for module, names in _ELSEWHERE.items():
            if name in names:
                commands: tuple[click.Command, ...] = import_module(
                    f"darkroom.cli.{module}"
                ).COMMANDS
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
        local.use(local.require(local.folder_of(home())))


@cli.command()
@click.option("--weights", type=click.Path(path_type=Path), help="Keras weights (.h5) of your own.")
@click.option("--rebuild", is_flag=True, help="Build again even if it was built before.")
def model(weights: Path | None, rebuild: bool) -> None:
    """Build the default backbone (MobileNetV2 as ONNX), once."""
    built = ensure_model(weights, rebuild or weights is not None)
    say(f"{built.path}: {model_words(built)}")


@cli.command()
def warmup() -> None:
    """Make local Spark sessions start faster (once; optional): a class-data archive for the JVM."""
    from darkroom.cli import local_spark  # which takes a second to import

    archive = local_spark.build_archive(home())
    say(f"Spark starts faster from now on: {archive}" if archive else "not available here")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for results.")
@click.option("--batch", help="Name of the batch; the folder's name unless given.")
@click.option("--model", "model_path", type=click.Path(path_type=Path),
              help="An ONNX backbone of your own: uint8 (n,h,w,3) -> float32 (n,d).")  # fmt: skip
@click.option("--plot", is_flag=True, help="Also draw map.png.")
@click.option("--cores", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--max-bytes", type=click.IntRange(1), default=Limits().max_bytes, show_default=True)
@click.option("--max-pixels", type=click.IntRange(1), default=Limits().max_pixels,
              show_default=True)  # fmt: skip
@click.option("--thumbnails/--no-thumbnails", default=True, help="Keep small pictures.")
@click.option("--engine", type=click.Choice(["threads", "spark"]), default="threads",
              show_default=True, help="What runs the job's tasks.")  # fmt: skip
@follow_links_option
@click.option("--reader", type=click.Choice(["obstore", "binaryFile"]), default="obstore")
@click.option("--pca", type=click.Choice(["merged", "spark"]), default="merged")
def run(folder: Path, model_path: Path | None, **options: object) -> None:
    """Process the images in FOLDER on this machine, on all cores.

    Run it again with more images in FOLDER: only the new ones are processed, as the batch's next
    run. Exit code 0 when done (also with rejected images), 2 for bad usage, 1 when it failed.
    """
    choices = RunOptions(folder=folder, home=home(), **options)  # type: ignore[arg-type]
    run_folder(choices, lambda: model_path or ensure_model().path)


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
