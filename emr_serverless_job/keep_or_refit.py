"""Whether a run's coordinates are in the version in force, or a new one is fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from darkroom.coordinates import pca
from darkroom.coordinates.pca import Pca
from darkroom.coordinates.statistics import Statistics
from darkroom.coordinates.versions import (
    Version,
    current_version,
    next_version,
    require_backbone,
)
from darkroom.images.backbone import backbone_id
from darkroom.layout import Run
from darkroom.storage.opening import open_store
from emr_serverless_job.engine import Engine
from emr_serverless_job.request import Request


@dataclass(frozen=True)
class Decision:
    """The version that a run's coordinates are in, and how much of the variance it keeps."""

    version: Version
    refitted: bool
    variance_kept: float


def decide(
    engine: Engine, request: Request, runs: list[Run], merged: Statistics, may_refit: bool
) -> Decision:
    """Keep the current basis, if there is one and it is good enough or has to be; else fit the next
    version. `merged` are the statistics of `runs`, the whole corpus."""
    store = open_store(request.output)
    require_backbone(store, backbone_id(request.model))
    current = current_version(store)
    if current is not None and not may_refit:
        return _kept(current, merged)
    best = _fit(engine, request, runs, merged)
    if current is not None and pca.is_kept(current.basis, best, merged):
        return _kept(current, merged)
    fitted = best if current is None else pca.align_signs(best, current.basis)
    version = replace(next_version(store), basis=fitted)
    return Decision(version, True, pca.explained(fitted, merged))


def _kept(current: Version, merged: Statistics) -> Decision:
    return Decision(current, False, pca.explained(current.basis, merged))


def _fit(engine: Engine, request: Request, runs: list[Run], merged: Statistics) -> Pca:
    own = pca.fit(merged)
    if request.pca == "merged":
        return own
    store = open_store(request.output)
    files = [key for run in runs for key in store.list(run.results, ".parquet")]
    from emr_serverless_job.on_spark import session_of
    from emr_serverless_job.spark_ml import fit_with_spark

    return fit_with_spark(session_of(engine), request.output, files, own)
