"""How often a batch is called unlike what was there before, where the truth is known.

python -m benchmarks.drift
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.explore import seconds_of
from benchmarks.pictures import crop, shipped_photographs
from benchmarks.record import save
from cli.on_this_machine.home import ensure_model
from darkroom.coordinates.drift import Drift, Gaussian, drift, frechet_distance
from darkroom.coordinates.statistics import Statistics, statistics_of
from darkroom.coordinates.vectors import vectors_of
from darkroom.images.backbone import load_backbone
from darkroom.images.features import featurize
from darkroom.images.fetch import Fetched
from darkroom.images.outcome import Limits
from darkroom.manifest import Entry

KNOWN, OTHERS = 12, 3  # photographs
CROPS_BEFORE, CROPS_OF_KNOWN, CROPS_OF_OTHERS = 250, 150, 250  # of each
COUNTS, SHARES, DRAWS = (100, 300, 1000), (0.05, 0.1, 0.25, 0.5), 20
METHOD = f"""\
Crops of the real photographs inside scikit-image and scikit-learn, a label each. Before:
{CROPS_BEFORE} crops of each of {KNOWN} photographs, features by the default backbone. Then {DRAWS}
batches of each size, drawn from other crops: `false_alarms` are those of the same photographs that
are called unlike. `found`: of as many batches, a share of whose images are crops of {OTHERS}
photographs that were never there, those that are called unlike; `named`: of these, those whose
first label is one of them. `jpeg_10`: all images of the batch saved anew with quality 10; `dark`:
all with a third of the light. `seconds`: the distance of two batches of 900 from their sums and
Gram matrices alone."""


class Pool:
    """Features with labels, to draw batches from."""

    def __init__(self, pictures: Iterator[tuple[str, Image.Image]]) -> None:
        backbone = load_backbone(ensure_model().path.read_bytes())
        fetched = (
            Fetched(Entry("", f"batch/{name}/{number}.jpg"), saved(picture))
            for number, (name, picture) in enumerate(pictures)
        )
        rows = featurize(fetched, backbone, Limits(), thumbnails=False).features
        self.features = vectors_of(rows["features"])
        self.labels = np.array(rows["label"].to_pylist())

    def drawn(
        self, count: int, random: np.random.Generator
    ) -> tuple[NDArray[np.float32], list[str]]:
        """So many of them, none twice."""
        rows = random.choice(len(self.features), count, replace=False)
        return self.features[rows], list(self.labels[rows])


def saved(picture: Image.Image, quality: int = 90) -> bytes:
    """As JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def crops(
    photographs: Sequence[tuple[str, Image.Image]], each: int, seed: int
) -> Iterator[tuple[str, Image.Image]]:
    """So many pieces of each."""
    random = np.random.default_rng(seed)
    for name, photograph in photographs:
        for _ in range(each):
            yield name, crop(photograph, random)


def changed(
    pictures: Iterator[tuple[str, Image.Image]], how: str
) -> Iterator[tuple[str, Image.Image]]:
    """Saved with quality 10, or with a third of the light."""
    for name, picture in pictures:
        if how == "dark":
            yield name, picture.point(lambda value: value // 3)
        else:
            yield name, Image.open(io.BytesIO(saved(picture, 10)))


class Truth:
    """What was there before, and what batches are drawn from."""

    def __init__(self) -> None:
        photographs = list(shipped_photographs())
        known, others = photographs[:KNOWN], photographs[KNOWN : KNOWN + OTHERS]
        self.other_names = {name for name, _ in others}
        earlier = Pool(crops(known, CROPS_BEFORE, 1))
        self.before = Gaussian.of(statistics_of(earlier.features))
        self.known = Pool(crops(known, CROPS_OF_KNOWN, 2))
        self.others = Pool(crops(others, CROPS_OF_OTHERS, 3))
        self.changed = {
            how: Pool(changed(crops(known, CROPS_OF_KNOWN, 4), how)) for how in ("jpeg_10", "dark")
        }

    def told(self, parts: Sequence[tuple[Pool, int]], random: np.random.Generator) -> Drift:
        """Of a batch of so many images of each pool."""
        drawn = [pool.drawn(count, random) for pool, count in parts if count]
        features = np.concatenate([some for some, _ in drawn])
        labels = np.array([label for _, some in drawn for label in some])
        order = random.permutation(len(features))
        batch = features[order]
        return drift(Gaussian.of_features(batch), self.before, None, batch, labels[order].tolist())

    def of_size(self, count: int) -> dict[str, Any]:
        """The verdicts on batches of one size."""
        told: dict[str, Any] = {"images": count, "false_alarms": 0, "found": {}, "named": {}}
        for seed in range(DRAWS):
            random = np.random.default_rng(seed)
            told["false_alarms"] += self.told([(self.known, count)], random).unlike
            for share in SHARES:
                other = round(count * share)
                one = self.told([(self.known, count - other), (self.others, other)], random)
                self._count(told, f"{share:.0%}", one)
            for how, pool in self.changed.items():
                self._count(told, how, self.told([(pool, count)], random))
        return told

    def _count(self, told: dict[str, Any], what: str, one: Drift) -> None:
        told["found"][what] = told["found"].get(what, 0) + one.unlike
        first = next(iter(one.labels), "")
        named = one.unlike and first in self.other_names
        told["named"][what] = told["named"].get(what, 0) + named


def statistics_alone(pool: Pool) -> tuple[Statistics, Statistics]:
    """Of two halves."""
    half = len(pool.features) // 2
    return statistics_of(pool.features[:half]), statistics_of(pool.features[half:])


def main() -> None:
    """Measure and record."""
    truth = Truth()
    one, other = statistics_alone(truth.known)
    seconds = min(
        seconds_of(lambda: frechet_distance(Gaussian.of(one), Gaussian.of(other))) for _ in range(5)
    )
    sizes = [truth.of_size(count) for count in COUNTS]
    save("drift", METHOD, {"draws": DRAWS, "sizes": sizes, "seconds": round(seconds, 2)})


if __name__ == "__main__":
    main()
