"""The map and what is found on it, as the API tells of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from darkroom.coordinates.pointer import current_number
from darkroom.errors import UsageError
from darkroom.explore.cache import PointCache, Seen
from darkroom.explore.duplicates import near_duplicates
from darkroom.explore.images import Image, Points, newest_only
from darkroom.explore.map import RULE, make_map
from darkroom.explore.outliers import outliers
from darkroom.explore.similar import find, similar
from darkroom.explore.stored_thumbnails import thumbnails
from darkroom.layout import ERASURES, JOBS, Run, batch_of
from darkroom.storage.read_ahead import read_ahead
from functions.aws.bucket import Bucket
from functions.runs.records import RunRecord, State
from functions.runs.table import RunTable
from functions.web.known_batches import existing_runs, runs_of
from functions.web.names import id_of
from functions.web.problems import bad_request, not_found

MOST_LOOKED_AT = 2_000_000  # images that fit into the API's function
MOST_COMPARED = 300_000  # with each other, in its time
_READS = 8


@dataclass(frozen=True)
class Limits:
    """How many images are taken into one answer; None where the machine decides."""

    looked_at: int | None = None
    compared: int | None = None


@dataclass(frozen=True)
class ExploreView:
    """Answers about images, from the coordinates of the PCA version in force."""

    runs: RunTable
    results: Bucket
    cache: PointCache
    limits: Limits = Limits()

    def map(self, batches: Sequence[str], components: int, most: int) -> dict[str, Any]:
        """Images as points, column by column; all batches where none is named."""
        version = current_number(self.results)
        points = self._points(batches, version, self.limits.looked_at)
        drawn = make_map(points, components, most)
        axes = drawn.coordinates.round(4).T.tolist()
        return {
            "pca_version": version,
            "total": drawn.total,
            "shown": len(drawn.paths),
            "rule": RULE if len(drawn.paths) < drawn.total else None,
            "labels": drawn.labels,
            "files": [{**asdict(file), "id": id_of(file.batch)} for file in drawn.files],
            **dict(zip("xyz", axes, strict=False)),
            "label": drawn.label,
            "file": drawn.file,
            "path": drawn.paths,
        }

    def similar(self, path: str, batches: Sequence[str], count: int) -> dict[str, Any]:
        """Images like the one under an object key, in these batches or in all."""
        version = current_number(self.results)
        among = self._points(batches, version, self.limits.looked_at)
        own = self._read(_seen(runs_of(self.runs, batch_of(path, ""))), version)
        query = find(own, path)
        if query is None:  # an image from the bucket's root: its batch is named by a day
            query = find(self._points([], version, self.limits.looked_at), path)
        if query is None:
            raise not_found(
                f"there is no processed image {path!r}: name it by its object key, "
                "<batch>/<label>/<name>"
            )
        found = similar(among, query, count)
        return {
            "pca_version": version,
            "image": told(query.image),
            "similar": [
                {**told(n.image), "cosine": n.cosine, "same_content": n.same_content} for n in found
            ],
        }

    def duplicates(self, batch: str, least: float) -> dict[str, Any]:
        """Groups of near duplicates in a batch."""
        version = current_number(self.results)
        try:
            groups = near_duplicates(self._points([batch], version, self.limits.compared), least)
        except UsageError as error:
            raise bad_request(str(error)) from error
        return {
            "pca_version": version,
            "cosine": least,
            "groups": [
                {"cosine": group.cosine, "same_content": group.same_content,
                 "images": [told(image) for image in group.images]}
                for group in groups
            ],
        }  # fmt: skip

    def outliers(self, batch: str, count: int) -> dict[str, Any]:
        """The images of a batch that are least like any other."""
        version = current_number(self.results)
        found = outliers(self._points([batch], version, self.limits.compared), count)
        return {
            "pca_version": version,
            "outliers": [{**told(outlier.image), "cosine": outlier.cosine} for outlier in found],
        }

    def thumbnails(self, run: Run, part: str, paths: Sequence[str]) -> dict[str, Any]:
        """Small pictures of some images in one file: JPEG in Base64, None where there is none."""
        found = thumbnails(self.results, run, part, paths)
        return {
            "thumbnails": {
                path: b64encode(found[path]).decode() if path in found else None for path in paths
            }
        }

    def _points(self, batches: Sequence[str], version: int, most: int | None) -> list[Points]:
        """The points of these batches, or of all. Raises `ProblemError` for one that is none, and
        where they are too many for one answer."""
        if not batches:
            return self._of_all(version, most)
        of_batches = (existing_runs(self.runs, batch) for batch in dict.fromkeys(batches))
        seen = _seen([record for records in of_batches for record in records])
        _require_at_most(most, sum(run.images or 0 for run in seen))
        return self._read(seen, version)

    def _of_all(self, version: int, most: int | None) -> list[Points]:
        """Of runs that are packed nothing else is asked for, however many they are."""
        if not version:
            return []
        index = self.cache.index(version)
        done = sorted(record.key for record in self.runs.in_state(State.DONE))
        packed = index.runs
        waiting = [run for run in done if run not in packed and run.batch not in (ERASURES, JOBS)]
        records = filter(None, read_ahead(self.runs.get, waiting, _READS))
        seen = [*_seen(list(records)), *(Seen(run) for run in done if run in packed)]
        images = sum(pack.images for pack in index.bundles)
        _require_at_most(most, images + sum(run.images or 0 for run in seen))
        return newest_only(list(self.cache.points(seen, version, index)))

    def _read(self, seen: Sequence[Seen], version: int) -> list[Points]:
        return newest_only(list(self.cache.points(seen, version))) if version else []


def _require_at_most(most: int | None, images: int) -> None:
    if most is not None and images > most:
        raise bad_request(
            f"{images} images are too many for one answer: name fewer batches, or ask with the "
            "command line, which has no such limit"
        )


def _seen(records: Sequence[RunRecord]) -> list[Seen]:
    done = sorted((r for r in records if r.state == State.DONE), key=lambda r: r.key)
    # an erased batch's numbers and revisions come again, its time does not
    return [Seen(r.key, f"{r.opened_at}/{r.revision}", r.processed) for r in done]


def told(image: Image) -> dict[str, Any]:
    """An image, and its batch as it stands in addresses."""
    return {**asdict(image), "id": id_of(image.batch)}
