"""The same work in Ray Data. `python -m benchmarks.rival_ray FOLDER OUT MODEL own|pillow`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import ray

from benchmarks.rival_kernel import SIDE, WORKERS, Kernel, decoded_by_pillow, reduce_features

_BATCH = 64


class Embed:
    """A Ray actor that adds features to a batch of images, or of paths."""

    def __init__(self, model: str) -> None:
        self._kernel = Kernel(model)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Paths and features."""
        images = batch.get("image")
        if images is None:
            images = np.stack([decoded_by_pillow(str(path)) for path in batch["path"]])
        return {"path": batch["path"], "features": self._kernel.embed(images)}


def main(folder: Path, out: Path, model: str, decoder: str) -> None:
    """Features and coordinates of the folder's images."""
    ray.init(num_cpus=WORKERS, include_dashboard=False)
    if decoder == "own":
        rows = ray.data.read_images(str(folder), size=(SIDE, SIDE), mode="RGB", include_paths=True)
        workers: object = (1, WORKERS)
    else:
        paths = sorted(str(path) for path in folder.rglob("*.jpg"))
        rows = ray.data.from_items([{"path": path} for path in paths], override_num_blocks=16)
        workers = WORKERS
    embedded = rows.map_batches(
        Embed, fn_constructor_args=(model,), concurrency=workers, batch_size=_BATCH
    )
    embedded.write_parquet(str(out / "Results"))
    reduce_features(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
