"""`darkroom run` and `audit`, and what they need once: `model` and `warmup`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cli.commands.options import json_option
from cli.on_this_machine.audit import audit_place, say_audit
from cli.on_this_machine.home import ensure_model, home, model_words
from cli.on_this_machine.run import RunOptions, run_folder
from cli.terminal.left_out import follow_links_option
from cli.terminal.say import say, say_json
from darkroom.images.outcome import Limits


@click.command()
@click.option("--weights", type=click.Path(path_type=Path), help="Keras weights (.h5) of your own.")
@click.option("--rebuild", is_flag=True, help="Build again even if it was built before.")
def model(weights: Path | None, rebuild: bool) -> None:
    """Build the default backbone (MobileNetV2 as ONNX), once."""
    built = ensure_model(weights, rebuild or weights is not None)
    say(f"{built.path}: {model_words(built)}")


@click.command()
def warmup() -> None:
    """Make local Spark sessions start faster (once; optional): a class-data archive for the JVM."""
    from local_cloud.spark import session as local_spark  # which takes a second to import

    archive = local_spark.build_archive(home())
    say(f"Spark starts faster from now on: {archive}" if archive else "not available here")


@click.command()
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
@click.option("--exact-decode", is_flag=True,
              help="Decode every pixel of large images; take colours as numbers.")  # fmt: skip
@click.option("--csv-byte-order-mark", is_flag=True,
              help="Begin CSV files so that spreadsheets know UTF-8.")  # fmt: skip
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


@click.command()
@click.argument("place", metavar="FOLDER|s3://...")
@click.option("--against", type=click.Path(path_type=Path),
              help="Rows that name files: Parquet (a file or a folder) or CSV.")  # fmt: skip
@click.option("--column", default="path", show_default=True, help="Of the table: which names them.")
@click.option("--cores", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--max-bytes", type=click.IntRange(1), default=Limits().max_bytes, show_default=True)
@click.option("--max-pixels", type=click.IntRange(1), default=Limits().max_pixels,
              show_default=True)  # fmt: skip
@json_option
@click.pass_context
def audit(
    context: click.Context,
    place: str,
    against: Path | None,
    column: str,
    cores: int,
    max_bytes: int,
    max_pixels: int,
    for_programs: bool,
) -> None:
    """Say what is wrong with a data set: what cannot be decoded and why, exact copies, and, with a
    table, files without a row and rows without a file.

    Exit code 0 where nothing is wrong (copies are no fault), 1 where something is, 2 for bad usage.
    """
    audited = audit_place(place, against, column, Limits(max_bytes, max_pixels), cores)
    if for_programs:
        say_json(audited.told())
    else:
        say_audit(place, audited)
    context.exit(0 if audited.is_clean else 1)


COMMANDS = (model, warmup, run, audit)
