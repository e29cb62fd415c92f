"""What the job needs of the image that it runs on, and of its own archive, told in words where it
is not there: an import that fails deep in Spark tells nobody what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib import import_module

# Whose place it is to bring each. Those of the image are built for each other.
_NEEDED: Mapping[str, str] = {
    "numpy": "image",
    "pyarrow": "image",
    "obstore": "archive",
    "onnxruntime": "archive",
    "PIL": "archive",
    "pi_heif": "archive",
    "pillow_jxl": "archive",
    "rawpy": "archive",
    "boto3": "archive",
}
_WHAT_TO_DO = {
    "image": "deploy with a ReleaseLabel that docs/operations.md lists",
    "archive": "deploy again, with the Architecture that the application has",
}


def lacking(load: Callable[[str], object] = import_module) -> list[str]:
    """A line for each package that is needed and cannot be imported, with what to do."""
    found: list[str] = []
    for name, place in _NEEDED.items():
        try:
            load(name)
        except Exception as error:  # built for another NumPy, for example
            found.append(
                f"the {place} lacks {name} ({type(error).__name__}: {error}): {_WHAT_TO_DO[place]}"
            )
    return found


def require_image() -> None:
    """End the process with a line of the job's log where something is lacking."""
    if found := lacking():
        version = ".".join(map(str, sys.version_info[:3]))
        message = f"Python {version} at {sys.executable}: " + "; ".join(found)
        told = {"outcome": "failed", "seconds": 0, "error": "ImageError", "message": message}
        print(json.dumps(told), file=sys.stderr)
        raise SystemExit(1)
