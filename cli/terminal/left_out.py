"""What of a folder is not worked, in words."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.terminal.say import say
from darkroom.errors import DarkroomError
from darkroom.run.folder import LeftOut, Scan

_NAMED = 10

follow_links_option = click.option(
    "--follow-links", is_flag=True, help="Take in what links in FOLDER lead to, also outside of it."
)


def say_left_out(scan: Scan, err: bool = False) -> None:
    """Name what is left out by rule, and how it is taken in."""
    if scan.left_out:
        words = f"left out: {in_words(scan.left_out)}; --follow-links takes in what links lead to"
        say(words, err=err)


def require_all_reached(scan: Scan) -> None:
    """Raise `DarkroomError` that names what could not be reached."""
    if scan.unreachable:
        raise DarkroomError(
            f"not all of the folder could be reached, and that part is in no account: "
            f"{in_words(scan.unreachable)}"
        )


def in_words(several: Sequence[LeftOut | str]) -> str:
    """The first of them by name and reason, and how many more there are."""
    more = len(several) - _NAMED
    named = ", ".join(map(str, several[:_NAMED]))
    return named + (f", and {more} more" if more > 0 else "")
