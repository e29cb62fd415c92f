"""`map.png`: the images at their first two components, and how much each component explains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from darkroom import receipt
from darkroom.errors import ObjectNotFoundError
from darkroom.features import from_parquet, vectors_of
from darkroom.layout import CURRENT_PCA, pca_model
from darkroom.storage import Store

THUMBNAILS = 400
_THUMBNAIL_PIXELS = 56
_LEGEND_LABELS = 20


def draw_map(results: Store, root: Path, target: Path) -> bool:
    """Draw the corpus: thumbnails, or points coloured by label where there are many images.

    `root` is the folder that the paths in the results start from. False where there is nothing
    to draw.
    """
    table = _coordinates(results)
    if table is None:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(17, 10), width_ratios=[3, 1], layout="constrained"
    )
    points = vectors_of(table["pca"])[:, :2]
    _draw_points(left, table, points)
    if len(points) <= THUMBNAILS:
        _draw_thumbnails(left, table["path"].to_pylist(), points, root)
    _draw_scree(right, results)
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
    return True


def _coordinates(results: Store) -> pa.Table | None:
    try:
        version = int(json.loads(results.read(CURRENT_PCA))["version"])
    except ObjectNotFoundError:
        return None
    files = [
        key for run in receipt.done_runs(results) for key in results.list(run.results_pca(version))
    ]
    columns = ["path", "label", "pca"]
    return pa.concat_tables([from_parquet(results.read(key), columns) for key in files])


def _draw_points(axes: Any, table: pa.Table, points: np.ndarray[Any, Any]) -> None:
    labels = np.array(table["label"].to_pylist())
    names = sorted(set(labels))
    palette = _colours(len(names))
    for name, colour in zip(names, palette, strict=True):
        chosen = points[labels == name]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=14, color=colour, label=name or "(no label)")
    axes.set_title(f"{len(points)} images")
    axes.set_xlabel("first component")
    axes.set_ylabel("second component")
    if 1 < len(names) <= _LEGEND_LABELS:
        axes.legend(loc="best", fontsize=9, framealpha=0.9)


def _colours(count: int) -> Any:
    from matplotlib import colormaps

    name = "tab20" if count <= _LEGEND_LABELS else "hsv"
    return colormaps[name](np.linspace(0, 1, max(count, 1), endpoint=False))


def _draw_thumbnails(axes: Any, paths: list[str], points: np.ndarray[Any, Any], root: Path) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    for path, point in zip(paths, points, strict=True):
        picture = _thumbnail(root / path)
        if picture is not None:
            axes.add_artist(AnnotationBbox(OffsetImage(picture, zoom=0.8), point, frameon=False))


def _thumbnail(path: Path) -> np.ndarray[Any, Any] | None:
    try:
        with Image.open(path) as image:
            image.draft("RGB", (2 * _THUMBNAIL_PIXELS, 2 * _THUMBNAIL_PIXELS))
            small = ImageOps.exif_transpose(image).convert("RGB")
            small.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS))
            return np.asarray(small)
    except Exception:  # moved since, or of an older run: its point stays
        return None


def _draw_scree(axes: Any, results: Store) -> None:
    version = int(json.loads(results.read(CURRENT_PCA))["version"])
    document = json.loads(results.read(f"{pca_model(version)}/model.json"))
    ratio = np.array(document["explained_variance_ratio"])
    number = np.arange(1, len(ratio) + 1)
    axes.bar(number, ratio, color="#4878a8", label="each")
    axes.plot(number, ratio.cumsum(), color="#c44e52", label="together")
    axes.set_ylim(0, 1)
    axes.set_title(f"variance kept: {ratio.sum():.1%} by {document['rank']} components")
    axes.set_xlabel("component")
    axes.set_ylabel("share of the variance")
    axes.legend(loc="center right")
