"""The versions of the coordinate system: which one is in force, and how the next one comes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from darkroom.coordinates import pca
from darkroom.coordinates.pca import Pca
from darkroom.coordinates.pointer import remove_version
from darkroom.coordinates.statistics import Statistics
from darkroom.errors import ConflictError, MixedBackbonesError, ObjectNotFoundError
from darkroom.layout import CURRENT_PCA, Run, pca_model
from darkroom.storage.conditional_write import write_on_condition
from darkroom.storage.store import Requirement, Store

_COMPLETE = "/complete"  # below a version's folder
_UNCLAIMED = Requirement(
    None, "no job has taken this number", "another job has taken this number for its version"
)


@dataclass(frozen=True)
class Version:
    """A version of the coordinate system, and the ETag of the pointer that named it."""

    number: int
    basis: Pca
    etag: str | None


def _unmoved(version: Version) -> Requirement:
    return Requirement(
        version.etag,
        "the pointer names the version that was in force when this one was fitted",
        "another job has published a version meanwhile",
    )


def current_version(store: Store) -> Version | None:
    """The version that `pca/current.json` names; None before the first, and where all images that
    the last one was fitted on have been erased."""
    try:
        pointer = store.read_versioned(CURRENT_PCA)
    except ObjectNotFoundError:
        return None
    number = int(json.loads(pointer.data)["version"])
    if number == 0:
        return None
    basis = pca.unpack(store.read(f"{pca_model(number)}/model.npz"))
    return Version(number, basis, pointer.etag)


def next_version(store: Store) -> Version:
    """Number and pointer of the version to come, still without a basis. Numbers never come again,
    since readers keep what they have read of a version."""
    try:
        pointer = store.read_versioned(CURRENT_PCA)
    except ObjectNotFoundError:
        return Version(1, pca.NO_BASIS, None)
    told = json.loads(pointer.data)
    return Version(int(told.get("last", told["version"])) + 1, pca.NO_BASIS, pointer.etag)


def fitted_on(store: Store) -> dict[int, list[Run]]:
    """All versions there are, with the runs that each was fitted on."""
    keys = [key for key in store.list("pca") if key.endswith("/model.json")]
    told = (json.loads(store.read(key)) for key in keys)
    return {
        int(version["version"]): [Run(r["batch"], r["run"]) for r in version["fitted_on_runs"]]
        for version in told
    }


def require_backbone(store: Store, given: str) -> None:
    """Raise `MixedBackbonesError` where the corpus' features come from another model."""
    present = corpus_backbone(store)
    if present not in (None, given):
        raise MixedBackbonesError(
            f"{store.uri} holds features of backbone {str(present)[:12]}, the model given is "
            f"{given[:12]}; use the model they were made with, or another output"
        )


def corpus_backbone(store: Store) -> str | None:
    """Id of the model that the corpus' features come from; None where there are none."""
    try:
        told = json.loads(store.read(CURRENT_PCA))
    except ObjectNotFoundError:
        return None
    return str(told["backbone"]) if told["version"] else None


def claim(
    store: Store, backbone: str, runs: list[Run], merged: Statistics, version: Version
) -> Version:
    """Write the version under the first number that nobody has, so that two jobs that fit at the
    same time never write to one folder. Until it is published, nobody reads it."""
    number = version.number
    while True:
        try:
            text = _description(backbone, runs, merged, replace(version, number=number))
            write_on_condition(store, f"{pca_model(number)}/model.json", text, _UNCLAIMED)
        except ConflictError:
            number += 1
            continue
        store.write(f"{pca_model(number)}/model.npz", pca.pack(version.basis))
        return replace(version, number=number)


def publish(store: Store, backbone: str, version: Version) -> None:
    """Let the pointer name the version; where another job was quicker, leave nothing behind. Where
    nobody knows whether it does, all stays as it is."""
    pointer = {"version": version.number, "backbone": backbone}
    try:
        named = (json.dumps(pointer) + "\n").encode()
        write_on_condition(store, CURRENT_PCA, named, _unmoved(version))
    except ConflictError:
        remove_version(store, version.number)
        raise


def is_complete(store: Store, number: int) -> bool:
    """Whether all runs are in the version that ended before it was published, or while it was."""
    return bool(store.list(pca_model(number), _COMPLETE))


def note_complete(store: Store, number: int) -> None:
    """Let that be known: from now on each run sees to itself."""
    store.write(f"{pca_model(number)}{_COMPLETE}", b"")


def withdraw(store: Store) -> None:
    """Let the pointer name no version: nothing is left that one could be fitted on."""
    coming = next_version(store)
    nothing = json.dumps({"version": 0, "last": coming.number - 1}) + "\n"
    write_on_condition(store, CURRENT_PCA, nothing.encode(), _unmoved(coming))


def _description(backbone: str, runs: list[Run], merged: Statistics, version: Version) -> bytes:
    document = {
        "version": version.number,
        "backbone": backbone,
        "components": len(version.basis.components),
        "rank": version.basis.rank,
        "fitted_on_images": merged.n,
        "fitted_on_runs": [{"batch": run.batch, "run": run.number} for run in sorted(runs)],
        "explained_variance_ratio": version.basis.explained_variance_ratio.tolist(),
    }
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()
