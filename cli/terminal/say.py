"""All that the command says. Other people's names are in it; they come out as plain text."""

from __future__ import annotations

import json
from typing import Any

import click

from darkroom.printable import printable_json, printable_text

REWIND = "\x1b[{lines}F\x1b[J"  # up, and clear what is below


def say(text: str, nl: bool = True, err: bool = False) -> None:
    """For people."""
    click.echo(printable_text(text), nl=nl, err=err)


def say_json(value: Any) -> None:
    """For programs: one line of JSON."""
    click.echo(json_text(value))


def json_text(value: Any) -> str:
    """As `say_json` says it."""
    return printable_json(json.dumps(value, ensure_ascii=False))


def rewind(lines: int) -> None:
    """Let what comes next take the place of so many lines on the terminal."""
    click.echo(REWIND.format(lines=lines), nl=False)
