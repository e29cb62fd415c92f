"""Versions by their numbers alone: which is in force, and how one goes."""

from __future__ import annotations

import json

from darkroom.errors import ObjectNotFoundError
from darkroom.layout import CURRENT_PCA, pca_model
from darkroom.storage.store import Store


def current_number(results: Store) -> int:
    """The number that `pca/current.json` names; 0 before the first, and where none is left."""
    try:
        return int(json.loads(results.read(CURRENT_PCA))["version"])
    except ObjectNotFoundError:
        return 0


def remove_version(store: Store, number: int) -> None:
    """Delete a version's coordinates, then its model, its description last. Safe to repeat."""
    for folder in (f"Results_PCA/model={number}", pca_model(number)):
        store.delete(sorted(store.list(folder), reverse=True))
