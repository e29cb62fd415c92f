"""Notes of the permissions that were asked for: what a whole run of the tests really needed.

Kept only in the folder that the environment names. They name keys of objects.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from local_cloud.access.asks import Ask
from local_cloud.access.of_stack import Resource

FOLDER = "DARKROOM_NOTES"

_lock = threading.Lock()
_noted: set[object] = set()


def is_on() -> bool:
    """Whether anybody wants notes."""
    return FOLDER in os.environ


def note(who: str, asks: Iterable[Ask]) -> None:
    """That a role or user, by its name, asked for these; each once."""
    for ask in asks:
        _write((who, ask), {"who": who, **vars(ask)})


def note_stack(resources: Iterable[Resource]) -> None:
    """What the names in the notes of this process mean."""
    told = [[r.logical_id, r.physical_id, r.arn] for r in resources]
    _write(json.dumps(told), {"stack": told})


def _write(known_by: object, line: dict[str, Any]) -> None:
    with _lock:
        if is_on() and known_by not in _noted:
            _noted.add(known_by)
            with (Path(os.environ[FOLDER]) / f"{os.getpid()}.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
