"""The slides' pictures, drawn from a finished run's results in the size they are shown in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from darkroom.explore.images import Points, read_points
from darkroom.explore.similar import find, similar
from darkroom.layout import CURRENT_PCA, pca_model
from darkroom.run.receipt import done_runs
from darkroom.storage.local import LocalStore
from darkroom.storage.store import Store

POINTS = 18  # no text on a slide is smaller
INK, ACCENT, SOFT = "#1d1b22", "#b3261e", "#4a6fa5"
BACKGROUND = "#16130f"  # of the title
_GALLERY = ("coffee/3.jpg", "china/4.jpg", "rocket/7.jpg")
_LIKE = 6
_STRIP = 9


def draw(results: Path, root: Path, target: Path) -> None:
    """`map.png`, `scree.svg`, `gallery.jpg`, `strip.jpg`; paths in the results start in `root`."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {
        "font.size": POINTS, "font.family": "sans-serif", "text.color": INK,
        "font.sans-serif": ["Liberation Sans", "Arial", "DejaVu Sans"], "axes.titlesize": POINTS,
        "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none",
        "svg.hashsalt": "darkroom",
    }  # fmt: skip
    target.mkdir(parents=True, exist_ok=True)
    store = LocalStore(results)
    version = int(json.loads(store.read(CURRENT_PCA))["version"])
    points = [read_points(store, run, version) for run in done_runs(store)]
    _draw_map(points, root, target / "map.png")
    _draw_scree(store, version, target / "scree.svg")
    _draw_gallery(points, root, target / "gallery.jpg")
    _draw_strip(root, target / "strip.jpg")


def _draw_map(points: list[Points], root: Path, target: Path) -> None:
    from matplotlib import pyplot
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    figure, axes = pyplot.subplots(figsize=(7.0, 5.3), layout="constrained")
    for run in points:
        axes.scatter(run.vectors[:, 0], run.vectors[:, 1], s=4, color=SOFT)
        for path, point in zip(run.rows["path"].to_pylist(), run.vectors[:, :2], strict=True):
            with Image.open(root / path) as image:
                small = image.convert("RGB")
                small.thumbnail((64, 64), Image.Resampling.LANCZOS)
            axes.add_artist(AnnotationBbox(OffsetImage(np.asarray(small), zoom=0.34), point, pad=0,
                                           frameon=False))  # fmt: skip
    axes.set(xlabel="PC 1", ylabel="PC 2", xticks=[], yticks=[])
    _save(figure, target)


def _draw_scree(store: Store, version: int, target: Path) -> None:
    from matplotlib import pyplot

    basis = json.loads(store.read(f"{pca_model(version)}/model.json"))
    ratio = 100 * np.array(basis["explained_variance_ratio"])
    number = np.arange(1, len(ratio) + 1)
    figure, axes = pyplot.subplots(figsize=(4.2, 3.5), layout="constrained")
    axes.bar(number, ratio, color=SOFT)
    axes.plot(number, ratio.cumsum(), color=ACCENT, linewidth=3)
    axes.set(ylim=(0, 100), xlabel="PC", ylabel="%", xticks=[1, 10, 25, 50])
    _save(figure, target)


def _draw_gallery(points: list[Points], root: Path, target: Path) -> None:
    """Rows of an image, framed, and those most like it."""
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(
        len(_GALLERY), _LIKE, figsize=(11.6, 4.8), layout="constrained", squeeze=False
    )
    for axes, name in zip(rows, _GALLERY, strict=True):
        query = find(points, f"photos/{name}")
        assert query is not None
        alike = [like.image.path for like in similar(points, query, _LIKE)]
        others = [path for path in alike if path != query.image.path]
        for number, (axis, path) in enumerate(zip(axes, [query.image.path, *others], strict=False)):
            _show(axis, root / path, framed=number == 0)
    _save(figure, target)


def _draw_strip(root: Path, target: Path) -> None:
    """A picture of each label, in a row."""
    side, gap = 112, 12
    pictures = [folder / "0.jpg" for folder in sorted((root / "photos").iterdir())]
    shown = [path for path in pictures if path.is_file()][:_STRIP]
    strip = Image.new("RGB", (len(shown) * (side + gap) - gap, side), BACKGROUND)
    for number, path in enumerate(shown):
        with Image.open(path) as image:
            strip.paste(
                ImageOps.fit(image.convert("RGB"), (side, side)), (number * (side + gap), 0)
            )
    strip.save(target, quality=90)


def _show(axis: Any, path: Path, framed: bool) -> None:
    with Image.open(path) as image:
        axis.imshow(np.asarray(image.convert("RGB")))
    axis.set(xticks=[], yticks=[])
    for side in axis.spines.values():
        side.set(color=ACCENT, linewidth=6, visible=framed)


def _save(figure: Any, target: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(target, dpi=160, metadata={"Date": None} if target.suffix == ".svg" else None)
    pyplot.close(figure)
