"""`darkroom similar`, `duplicates`, `drift` and `open`."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable
from typing import Any

import click

from cli.commands.options import json_option, stack_option
from cli.on_stack.stack import Stack, open_stack
from cli.terminal.say import say, say_json
from darkroom.errors import UsageError
from darkroom.explore.cache import PointCache
from darkroom.explore.duplicates import LIKE
from darkroom.printable import printable
from functions.web.drift_view import DriftView
from functions.web.explore_view import ExploreView
from functions.web.names import id_of
from functions.web.problems import ProblemError

_SHOWN = 20


def _answer(stack: Stack, ask: Callable[[ExploreView], dict[str, Any]]) -> dict[str, Any]:
    """What the API would answer. Raises `UsageError` where it would refuse."""
    view = ExploreView(stack.runs, stack.results, PointCache(stack.results))
    return _told(lambda: ask(view))


def _told(ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return ask()
    except ProblemError as problem:
        raise UsageError(problem.detail) from problem


@click.command()
@click.argument("path")
@click.option("--batch", "batches", multiple=True, help="Look in this batch; may be repeated.")
@click.option("--count", type=click.IntRange(1, 1000), default=12, show_default=True)
@json_option
@stack_option
def similar(
    path: str, batches: tuple[str, ...], count: int, for_programs: bool, stack_name: str
) -> None:
    """List the images most like the one under the object key PATH, in all batches unless named."""
    told = _answer(open_stack(stack_name), lambda view: view.similar(path, batches, count))
    if for_programs:
        say_json(told)
        return
    for image in told["similar"]:
        same = "  the same content" if image["same_content"] else ""
        say(f"{image['cosine']:.4f}  {printable(image['path'])}{same}")


@click.command()
@click.argument("batch")
@click.option("--cosine", type=click.FloatRange(0.9, 1), default=LIKE, show_default=True,
              help="From which images count as near duplicates.")  # fmt: skip
@json_option
@stack_option
def duplicates(batch: str, cosine: float, for_programs: bool, stack_name: str) -> None:
    """List groups of near duplicates in a BATCH."""
    told = _answer(open_stack(stack_name), lambda view: view.duplicates(batch, cosine))
    if for_programs:
        say_json(told)
        return
    if not told["groups"]:
        say(f"no two images have a cosine of {cosine} or more")
    for group in told["groups"]:
        what = "the same content" if group["same_content"] else f"cosine from {group['cosine']:.4f}"
        say(f"{len(group['images'])} images, {what}")
        for image in group["images"][:_SHOWN]:
            say(f"  {printable(image['path'])}")
        if len(group["images"]) > _SHOWN:
            say(f"  and {len(group['images']) - _SHOWN} more")


@click.command()
@click.argument("batch")
@click.argument("other", required=False)
@json_option
@stack_option
def drift(batch: str, other: str | None, for_programs: bool, stack_name: str) -> None:
    """Tell how far a BATCH is from OTHER, or from all other batches."""
    stack = open_stack(stack_name)
    told = _told(lambda: DriftView(stack.results).drift(batch, other))
    if for_programs:
        say_json(told)
        return
    name = printable(other) if other else "all others"
    say(f"{printable(batch)} ({told['images']} images) is {told['distance']:.2f} from {name} "
        f"({told['other_images']} images); squared Fréchet distance of features")  # fmt: skip
    if told["halves"] is not None:
        say(f"its own halves are {told['halves']:.2f} apart: beyond that it is no chance")


@click.command("open")
@click.argument("batch", required=False)
@json_option
@stack_option
def open_page(batch: str | None, for_programs: bool, stack_name: str) -> None:
    """Open the page in a browser, at a BATCH if one is named."""
    stack = open_stack(stack_name)
    url = f"{stack.outputs['PageUrl']}/" + (f"#/{id_of(batch)}" if batch else "")
    if for_programs:
        say_json({"url": url})
    elif not webbrowser.open(url):
        say(f"there is no browser here; open {url}")
    else:
        say(url)


COMMANDS = (similar, duplicates, drift, open_page)
