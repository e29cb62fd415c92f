"""The same work in Ray Data. `python -m benchmarks.rival_ray FOLDER OUT MODEL`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ray

from benchmarks.rival_kernel import WORKERS, Kernel, reduce_features


class Embed:
    """A Ray actor that adds features to a batch of paths."""

    def __init__(self, model: str) -> None:
        self._kernel = Kernel(model)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Add the column `features`."""
        return {**batch, "features": self._kernel.embed([str(path) for path in batch["path"]])}


def main(folder: Path, out: Path, model: str) -> None:
    """Features and coordinates of the folder's images."""
    paths = sorted(str(path) for path in folder.rglob("*.jpg"))
    ray.init(num_cpus=WORKERS, include_dashboard=False)
    rows = ray.data.from_items([{"path": path} for path in paths], override_num_blocks=16)
    embedded = rows.map_batches(
        Embed, fn_constructor_args=(model,), concurrency=WORKERS, batch_size=64
    )
    embedded.write_parquet(str(out / "Results"))
    reduce_features(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
