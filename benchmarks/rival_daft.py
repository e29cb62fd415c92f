"""The same work in Daft. `python -m benchmarks.rival_daft FOLDER OUT MODEL`."""

from __future__ import annotations

import sys
from pathlib import Path

import daft

from benchmarks.rival_kernel import WORKERS, Kernel, reduce_features


def main(folder: Path, out: Path, model: str) -> None:
    """Features and coordinates of the folder's images."""

    @daft.udf(
        return_dtype=daft.DataType.fixed_size_list(daft.DataType.float32(), 1280),
        concurrency=WORKERS,
        batch_size=64,
    )
    class Embed:
        def __init__(self) -> None:
            self.kernel = Kernel(model)

        def __call__(self, paths: daft.Series) -> object:
            return self.kernel.embed(paths.to_pylist())

    paths = sorted(str(path) for path in folder.rglob("*.jpg"))
    frame = daft.from_pydict({"path": paths})
    features = Embed(daft.col("path"))  # type: ignore[call-arg]
    frame.with_column("features", features).write_parquet(str(out / "Results"))
    reduce_features(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
