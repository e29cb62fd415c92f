"""What a request asks for, checked: all raise `ProblemError` for what cannot be meant."""

from __future__ import annotations

import re
from typing import Any

from chalice.app import Request

from darkroom import strict_json
from darkroom.layout import Run
from functions.web.batch_list import Place, place_in
from functions.web.names import batch_of_id
from functions.web.problems import ProblemError, bad_request, not_found

_MOST_VALUES = 100
_BATCH_BYTES = 600  # longer names are no batches: see darkroom.layout


def batch(name: str) -> str:
    """The batch that an address names."""
    found = batch_of_id(name)
    if found is None or len(found.encode()) > _BATCH_BYTES:
        raise not_found(f"{name[:100]!r} names no batch")
    return found


def run(name: str, number: str) -> Run:
    """The run that an address names."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", number):
        raise not_found(f"{number!r} is no number of a run")
    return Run(batch(name), int(number))


def part(name: str) -> str:
    """A Parquet file's name, without its ending."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", name):
        raise not_found(f"{name!r} names no file")
    return name


def texts(request: Request, name: str) -> list[str]:
    """All values of a query parameter."""
    given = request.query_params
    values: list[str] = given.getlist(name) if given is not None and name in given else []
    if len(values) > _MOST_VALUES:
        raise bad_request(f"ask for {_MOST_VALUES} of {name!r} at a time")
    return values


def text(request: Request, name: str) -> str:
    """A query parameter that has to be there."""
    values = texts(request, name)
    if len(values) != 1 or not values[0]:
        raise bad_request(f"the query needs one {name!r}")
    return values[0]


def whole(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A query parameter that is a whole number from `least` to `most`."""
    given = texts(request, name) or [str(default)]
    if not re.fullmatch(r"[0-9]{1,9}", given[-1]) or not least <= int(given[-1]) <= most:
        raise bad_request(f"{name!r} is a whole number from {least} to {most}")
    return int(given[-1])


def share(request: Request, name: str, default: float, least: float) -> float:
    """A query parameter that is a number from `least` to 1."""
    given = texts(request, name) or [str(default)]
    if not re.fullmatch(r"[01](\.[0-9]{1,20})?", given[-1]) or not least <= float(given[-1]) <= 1:
        raise bad_request(f"{name!r} is a number from {least} to 1")
    return float(given[-1])


def batches(request: Request) -> list[str]:
    """The batches that `batch` parameters name, by their ids."""
    return [batch(name) for name in texts(request, "batch")]


def another(request: Request) -> str | None:
    """The batch that `from` names, by its id; None where none is named."""
    given = texts(request, "from")
    return batch(given[-1]) if given else None


def place(request: Request) -> Place | None:
    """The place in the list of batches that `after` names."""
    given = texts(request, "after")
    if not given:
        return None
    found = place_in(given[-1])
    if found is None:
        raise _no_such_page()
    return found


def row(request: Request) -> tuple[str, int]:
    """The row of a file, by its name without the ending, that `after` names; before all files where
    none is named."""
    given = texts(request, "after")
    if not given:
        return "", 0
    name, _, number = given[-1].partition("@")
    if not re.fullmatch(r"[0-9]{1,9}", number):
        raise _no_such_page()
    return part(name), int(number)


def _no_such_page() -> ProblemError:
    return not_found("there is no such page: 'after' is the 'next' of the page before")


def body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent; nothing is an empty one."""
    try:
        sent = strict_json.parse(request.raw_body or b"{}")
    except ValueError as error:
        raise bad_request("the body is no JSON") from error
    if not isinstance(sent, dict):
        raise bad_request("the body is no JSON object")
    return sent


def names(sent: dict[str, Any]) -> list[str]:
    """The `names` of files in a body."""
    given = sent.get("names", [])
    if not isinstance(given, list) or not all(isinstance(n, str) and n for n in given):
        raise bad_request("'names' is a list of file names")
    return given


def images(sent: dict[str, Any]) -> int | None:
    """The number of `images` in a body."""
    given = sent.get("images")
    if given is None:
        return None
    usable = isinstance(given, int | float) and not isinstance(given, bool)
    if not usable or not 0 <= given <= 1_000_000_000 or given != int(given):
        raise bad_request("'images' is the number of files that were sent")
    return int(given)
