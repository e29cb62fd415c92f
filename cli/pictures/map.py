"""`map.png`: the images at their first two components, and how much each component explains."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageOps

from darkroom.coordinates.vectors import vectors_of
from darkroom.errors import ObjectNotFoundError
from darkroom.explore.stored_thumbnails import all_thumbnails
from darkroom.layout import CURRENT_PCA, Run, pca_model
from darkroom.run import receipt
from darkroom.storage.parquet import from_parquet
from darkroom.storage.store import Store

THUMBNAILS = 400
_THUMBNAIL_PIXELS = 56
_LEGEND_LABELS = 20


def draw_map(results: Store, root: Path, target: Path) -> bool:
    """Draw the corpus: thumbnails, or points coloured by label where there are many images.

    `root` is the folder that the paths in the results start from. False where there is nothing
    to draw.
    """
    placed = _coordinates(results)
    if not placed:
        return False
    table = pa.concat_tables(rows for _, rows in placed)
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(17, 10), width_ratios=[3, 1], layout="constrained"
    )
    points = vectors_of(table["pca"])[:, :2]
    colours = _draw_points(left, table["label"].to_pylist(), points)
    if len(points) <= THUMBNAILS:
        _draw_thumbnails(left, list(_pictures(results, placed, root)), points, colours)
    _draw_scree(right, results)
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
    return True


def _coordinates(results: Store) -> list[tuple[Run, pa.Table]]:
    """Each run's rows in the version in force; none where there is no version."""
    try:
        version = int(json.loads(results.read(CURRENT_PCA))["version"])
    except ObjectNotFoundError:
        return []
    columns = ["path", "label", "pca"]
    return [
        (run, from_parquet(results.read(key), columns))
        for run in receipt.done_runs(results)
        for key in results.list(run.results_pca(version), ".parquet")
    ]


def _pictures(
    results: Store, placed: list[tuple[Run, pa.Table]], root: Path
) -> Iterator[NDArray[np.uint8] | None]:
    """Each image as its run kept it: other files may lie at its path now, or another folder's of
    the same name. From the file where runs keep none."""
    kept = {run: all_thumbnails(results, run) for run in {run for run, _ in placed}}
    for run, rows in placed:
        for path in rows["path"].to_pylist():
            jpeg = kept[run].get(path)
            yield _thumbnail(root / path if jpeg is None else io.BytesIO(jpeg))


def _draw_points(axes: Any, labels: list[str], points: np.ndarray[Any, Any]) -> list[Any]:
    """Draw the points; their colours, by label."""
    names = sorted(set(labels))
    palette = dict(zip(names, _palette(len(names)), strict=True))
    colours = [palette[label] for label in labels]
    axes.scatter(points[:, 0], points[:, 1], s=14, c=colours)
    axes.set_title(f"{len(points)} images")
    axes.set_xlabel("first component")
    axes.set_ylabel("second component")
    if len(names) > 1:
        named = sorted(name for name, _ in Counter(labels).most_common(_LEGEND_LABELS))
        for name in named:
            axes.scatter(
                [], [], s=30, color=palette[name], label=name.replace("$", r"\$") or "(no label)"
            )
        title = None if len(named) == len(names) else f"{len(named)} of {len(names)} labels"
        axes.legend(loc="best", fontsize=9, framealpha=0.9, title=title)
    return colours


def _palette(count: int) -> Any:
    from matplotlib import colormaps

    name = "tab20" if count <= _LEGEND_LABELS else "hsv"
    return colormaps[name](np.linspace(0, 1, max(count, 1), endpoint=False))


def _draw_thumbnails(
    axes: Any,
    pictures: list[NDArray[np.uint8] | None],
    points: np.ndarray[Any, Any],
    colours: list[Any],
) -> None:
    """Each picture at its point, in a frame of its label's colour."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    zoom = 0.8 if len(pictures) <= THUMBNAILS // 4 else 0.5
    for picture, point, colour in zip(pictures, points, colours, strict=True):
        if picture is not None:
            image = OffsetImage(picture, zoom=zoom)
            frame = {"edgecolor": colour, "linewidth": 1.5, "boxstyle": "square,pad=0"}
            axes.add_artist(AnnotationBbox(image, point, pad=0, bboxprops=frame))


def _thumbnail(file: Path | io.BytesIO) -> NDArray[np.uint8] | None:
    try:
        with Image.open(file) as image:
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
    axes.legend(loc="best")
