"""Which PCA version is in force: for readers that need no more of it than its number."""

from __future__ import annotations

import json

from darkroom.errors import ObjectNotFoundError
from darkroom.layout import CURRENT_PCA
from darkroom.storage.store import Store


def current_number(results: Store) -> int:
    """The number that `pca/current.json` names; 0 before the first, and where none is left."""
    try:
        return int(json.loads(results.read(CURRENT_PCA))["version"])
    except ObjectNotFoundError:
        return 0
