"""Functions work in the EU's regions, and refuse to anywhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from darkroom.regions import region_of, require_eu

Handler = Callable[[Any, Any], Any]


def eu_only(handler: Handler) -> Handler:
    """A handler that raises `UsageError`, naming the region, before it looks at an event."""

    @wraps(handler)
    def guarded(event: Any, context: Any) -> Any:
        require_eu(region_of(os.environ))
        return handler(event, context)

    return guarded
