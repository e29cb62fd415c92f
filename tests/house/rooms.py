"""The rooms of the house, and which of them a room may know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.project import ROOT

# A folder is a room.
CORE = "darkroom"
STORAGE, RUN = {CORE, "darkroom.storage"}, {CORE, "darkroom.storage", "darkroom.run"}
ARCHIVES = {*STORAGE, "darkroom.archives"}
COORDINATES = {*STORAGE, "darkroom.coordinates"}
ERASURE = {*RUN, *COORDINATES, "darkroom.explore", "darkroom.erasure"}
DARKROOM = {*ERASURE, *ARCHIVES, "darkroom.images", "darkroom.model"}
TABLE = {*DARKROOM, "functions.aws", "functions.runs"}  # of runs
FUNCTIONS = {*TABLE, "functions.intake", "functions.unpacking", "functions.publication",
             "functions.erasure", "functions.submission", "functions.small_batches",
             "functions.repair",
             "functions.web"}  # fmt: skip
JOB = {*DARKROOM, "emr_serverless_job"}
CLOUD = {"local_cloud", "local_cloud.access", "local_cloud.emr", "local_cloud.spark"}
ON_STACK = {*DARKROOM, "functions.aws", "functions.runs", "functions.erasure", "cli.terminal"}
ON_THIS_MACHINE = {*JOB, "local_cloud.spark", "cli.terminal", "cli.pictures"}
WORK = {"cli.on_stack", "cli.on_this_machine", "cli.deploying", "cli.terminal"}
COMMANDS = {*DARKROOM, "functions.runs", "functions.publication", "functions.repair",
            "functions.web", "local_cloud", "local_cloud.spark", *WORK}  # fmt: skip
CLI = {*FUNCTIONS, *JOB, *CLOUD, *WORK, "cli", "cli.pictures", "cli.commands"}

MAY_KNOW: dict[str, set[str]] = {
    "darkroom": set(),
    "darkroom.storage": {CORE},
    "darkroom.archives": STORAGE,
    "darkroom.run": {*STORAGE, "darkroom.archives"},
    "darkroom.coordinates": STORAGE,
    "darkroom.erasure": {*RUN, *COORDINATES, "darkroom.explore"},
    "darkroom.images": ERASURE,
    "darkroom.explore": COORDINATES,
    "darkroom.model": {CORE, "darkroom.images"},
    "functions.aws": STORAGE,
    "functions.runs": {*RUN, "functions.aws"},
    "functions.intake": TABLE,
    "functions.unpacking": {*TABLE, "functions.intake"},
    "functions.publication": TABLE,
    "functions.erasure": {*TABLE, "functions.intake", "functions.publication"},
    "functions.submission": {*TABLE, "functions.erasure"},
    "functions.small_batches": {*TABLE, "emr_serverless_job"},
    "functions.repair": {*TABLE, "functions.erasure"},
    "functions.web": {*TABLE, "functions.intake"},
    "functions": FUNCTIONS,
    "emr_serverless_job": DARKROOM,
    "local_cloud.access": {CORE},
    "local_cloud.spark": JOB,
    "local_cloud.emr": {CORE, "local_cloud.spark"},
    "local_cloud": {CORE, *CLOUD},
    "cli.terminal": RUN,
    "cli.pictures": DARKROOM,
    "cli.on_stack": ON_STACK,
    "cli.on_this_machine": ON_THIS_MACHINE,
    "cli.deploying": {CORE, "functions.aws", "functions.runs", "local_cloud", *WORK},
    "cli.commands": COMMANDS,
    "cli": {*COMMANDS, "cli.commands", "cli.pictures"},
    "benchmarks": {*CLI, "functions"},
    "presentation": {CORE, "benchmarks"},
}


def modules() -> Iterator[Path]:
    """All but the tests."""
    for top in {room.partition(".")[0] for room in MAY_KNOW}:
        yield from (ROOT / top).rglob("*.py")


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules that a module imports, also within functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@cache
def is_module(name: str) -> bool:
    return (ROOT / f"{name.replace('.', '/')}.py").is_file()


def room_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def known_in(room: str) -> set[str]:
    """The rooms that a room's modules import from."""
    paths = (ROOT / room.replace(".", "/")).glob("*.py")
    names = {name for path in paths for name in imports(path)}
    return {room_of(ROOT / f"{name.replace('.', '/')}.py") for name in filter(is_module, names)}


KNOWN = {room: known_in(room) for room in MAY_KNOW}
