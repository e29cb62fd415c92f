"""Deleting versions of the coordinate system."""

from __future__ import annotations

from darkroom.layout import pca_model
from darkroom.storage.store import Store


def remove_version(store: Store, number: int) -> None:
    """Delete a version's coordinates, then its model, its description last. Safe to repeat."""
    for folder in (f"Results_PCA/model={number}", pca_model(number)):
        store.delete(sorted(store.list(folder), reverse=True))
