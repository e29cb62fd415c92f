"""Looks at the whole corpus: what they ask for does not grow with the number of runs."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa

from darkroom.coordinates.vectors import vector_column
from darkroom.explore.images import read_points
from darkroom.explore.packs import packs, to_pack
from darkroom.layout import CURRENT_PCA, Run
from darkroom.storage.bundles import Bundle, Index
from darkroom.storage.parquet import COMPONENTS, PCA_SCHEMA, to_parquet
from functions import api_function
from functions.runs.records import RunRecord, State
from tests.functions.cloud.world import World
from tests.functions.web.api_client import ask

WAITING = 5  # runs that no pack holds yet
IMAGES = 4  # of a run


def corpus(world: World, runs: int) -> None:
    """Finished runs, of which all but the last few are in one pack."""
    made = []
    for number in range(runs):
        run = Run(f"b{number:04}", 1)
        rng = np.random.default_rng(number)
        vectors = rng.normal(size=(IMAGES, COMPONENTS)).astype(np.float32)
        columns = {
            "path": [f"{run.batch}/{n}.jpg" for n in range(IMAGES)],
            "label": [""] * IMAGES,
            "pca": vector_column(vectors),
            "content_sha256": [f"{rng.integers(2**62):064x}" for _ in range(IMAGES)],
            "backbone": ["b"] * IMAGES,
        }
        table = pa.table([columns[name] for name in PCA_SCHEMA.names], schema=PCA_SCHEMA)
        world.results.write(f"{run.results_pca(1)}/part-00000.parquet", to_parquet(table))
        record = RunRecord(run.batch, 1, State.DONE, 1, 1.0, 1.0, images=IMAGES, processed=IMAGES,
                           rejected=0, missing=0, pca_version=1)  # fmt: skip
        if world.runs.get(run) is None:
            world.runs.create(record)
        made.append(read_points(world.results, run, 1))
    packed = made[:-WAITING]
    world.results.write(packs(1).key("one"), to_pack(packed, {}))
    world.results.write(CURRENT_PCA, b'{"version": 1, "backbone": "b"}')
    pack = Bundle("one", tuple(p.run for p in packed), sum(map(len, packed)), 1)
    world.results.delete(["Results_PCA/model=1/points/index.json"])
    packs(1).replace(world.results, Index((), None), [pack])


def counted(world: World, target: str) -> Counter[str]:
    api_function.service.cache_clear()  # as a function that starts
    world.calls.clear()
    assert ask(world, target).status == 200
    return Counter(world.calls)


def test_the_map_and_similar_ask_as_little_of_many_runs_as_of_few(world: World) -> None:
    similar = f"/api/similar?{urlencode({'path': 'b0003/1.jpg'})}"
    told = []
    for runs in (10, 210):
        corpus(world, runs)
        told.append([counted(world, target) for target in ("/api/map", similar)])
        drawn = ask(world, "/api/map").told
        assert drawn["total"] == runs * IMAGES
        assert len(set(drawn["path"])) == runs * IMAGES
        near = ask(world, similar).told
        assert len(near["similar"]) == 12
        assert near["image"]["path"] == "b0003/1.jpg"
    assert told[0] == told[1]
