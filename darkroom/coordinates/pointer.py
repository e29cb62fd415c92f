"""The coordinate system by names alone: which version is in force, which runs are in it, and how a
version goes. For readers that need no numbers."""

from __future__ import annotations

import json

from darkroom.errors import ObjectNotFoundError
from darkroom.layout import CURRENT_PCA, Run, coordinates_folder, pca_model, run_of
from darkroom.storage.store import Store


def current_number(results: Store) -> int:
    """The number that `pca/current.json` names; 0 before the first, and where none is left."""
    try:
        return int(json.loads(results.read(CURRENT_PCA))["version"])
    except ObjectNotFoundError:
        return 0


def runs_with_share(store: Store) -> list[Run]:
    """The runs that have a part in the corpus: those with a receipt and with a stored share, which
    none has whose receipt does not balance."""
    receipts = set(store.list("receipts", ".json"))
    shares = map(run_of, store.list("statistics", ".npz"))
    return sorted(run for run in shares if run.receipt in receipts)


def remove_version(store: Store, number: int) -> None:
    """Delete a version's coordinates, then its model, its description last. Safe to repeat."""
    for folder in (coordinates_folder(number), pca_model(number)):
        store.delete(sorted(store.list(folder), reverse=True))
