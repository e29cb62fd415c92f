"""The versions of the coordinate system: which one is in force, and how the next one comes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from darkroom import pca
from darkroom.backbone import backbone_id
from darkroom.errors import ConflictError, MixedBackbonesError, ObjectNotFoundError
from darkroom.layout import CURRENT_PCA, Run, pca_model
from darkroom.pca import Pca
from darkroom.statistics import Statistics
from darkroom.storage import Store
from emr_serverless_job.request import Request


@dataclass(frozen=True)
class Version:
    """A version of the coordinate system, and the ETag of the pointer that named it."""

    number: int
    basis: Pca
    etag: str | None


def current_version(store: Store) -> Version | None:
    """The version that `pca/current.json` names; None before the first run."""
    try:
        pointer = store.read_versioned(CURRENT_PCA)
    except ObjectNotFoundError:
        return None
    number = int(json.loads(pointer.data)["version"])
    basis = pca.unpack(store.read(f"{pca_model(number)}/model.npz"))
    return Version(number, basis, pointer.etag)


def require_backbone(store: Store, model: bytes) -> None:
    """Raise `MixedBackbonesError` where the corpus' features come from another model."""
    try:
        present = str(json.loads(store.read(CURRENT_PCA))["backbone"])
    except ObjectNotFoundError:
        return
    given = backbone_id(model)
    if present != given:
        raise MixedBackbonesError(
            f"{store.uri} holds features of backbone {present[:12]}, the model given is "
            f"{given[:12]}; use the model they were made with, or another output"
        )


def claim(
    store: Store, request: Request, runs: list[Run], merged: Statistics, version: Version
) -> Version:
    """Write the version under the first number that nobody has, so that two jobs that fit at the
    same time never write to one folder. Until it is published, nobody reads it."""
    number = version.number
    while True:
        try:
            text = _description(request, runs, merged, replace(version, number=number))
            store.write_if(f"{pca_model(number)}/model.json", text, None)
        except ConflictError:
            number += 1
            continue
        store.write(f"{pca_model(number)}/model.npz", pca.pack(version.basis))
        return replace(version, number=number)


def publish(store: Store, request: Request, version: Version) -> None:
    """Let the pointer name the version; where another job was quicker, leave nothing behind."""
    pointer = {"version": version.number, "backbone": backbone_id(request.model)}
    try:
        store.write_if(CURRENT_PCA, (json.dumps(pointer) + "\n").encode(), version.etag)
    except ConflictError:
        if json.loads(store.read(CURRENT_PCA)) == pointer:  # ours: the answer was lost, not the PUT
            return
        for folder in (pca_model(version.number), f"Results_PCA/model={version.number}"):
            store.delete(store.list(folder))
        raise


def _description(request: Request, runs: list[Run], merged: Statistics, version: Version) -> bytes:
    document = {
        "version": version.number,
        "backbone": backbone_id(request.model),
        "components": len(version.basis.components),
        "rank": version.basis.rank,
        "fitted_on_images": merged.n,
        "fitted_on_runs": [{"batch": run.batch, "run": run.number} for run in sorted(runs)],
        "explained_variance_ratio": version.basis.explained_variance_ratio.tolist(),
    }
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
