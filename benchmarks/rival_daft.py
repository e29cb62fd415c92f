"""The same work in Daft. `python -m benchmarks.rival_daft FOLDER OUT MODEL own|pillow`."""

from __future__ import annotations

import sys
from pathlib import Path

import daft
import numpy as np

from benchmarks.rival_kernel import SIDE, WORKERS, Kernel, decoded_by_pillow, reduce_features

_FEATURES = daft.DataType.fixed_size_list(daft.DataType.float32(), 1280)
_BATCH = 64


@daft.cls(max_concurrency=WORKERS, use_process=True)
class Embed:
    """Features of images, or of the files at paths."""

    def __init__(self, model: str) -> None:
        self._kernel = Kernel(model)

    @daft.method.batch(return_dtype=_FEATURES, batch_size=_BATCH)
    def of_images(self, images: daft.Series) -> object:
        """Of what Daft has decoded and resized."""
        return self._kernel.embed(np.stack(images.to_pylist()))

    @daft.method.batch(return_dtype=_FEATURES, batch_size=_BATCH)
    def of_paths(self, paths: daft.Series) -> object:
        """Of what Pillow decodes."""
        images = [decoded_by_pillow(path) for path in paths.to_pylist()]
        return self._kernel.embed(np.stack(images))


def main(folder: Path, out: Path, model: str, decoder: str) -> None:
    """Features and coordinates of the folder's images."""
    paths = sorted(str(path) for path in folder.rglob("*.jpg"))
    frame, embed = daft.from_pydict({"path": paths}), Embed(model)
    if decoder == "own":
        image = daft.col("path").download().decode_image(mode="RGB").resize(SIDE, SIDE)
        frame = frame.with_column("features", embed.of_images(image))
    else:
        frame = frame.with_column("features", embed.of_paths(daft.col("path")))
    frame.write_parquet(str(out / "Results"))
    reduce_features(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
