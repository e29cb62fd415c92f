"""The map and what is found on it, as the API tells of them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from darkroom.coordinates.pointer import current_number
from darkroom.errors import UsageError
from darkroom.explore.duplicates import near_duplicates
from darkroom.explore.images import Image, PointCache, Points, Seen, newest_only
from darkroom.explore.map import RULE, make_map
from darkroom.explore.outliers import outliers
from darkroom.explore.similar import find, similar
from darkroom.explore.stored_thumbnails import thumbnails
from darkroom.layout import Run, batch_of
from functions.aws.bucket import Bucket
from functions.runs.records import RunRecord, State
from functions.runs.table import RunTable
from functions.web.known_batches import all_runs, existing_runs, runs_of
from functions.web.names import id_of
from functions.web.problems import bad_request, not_found

MOST_IMAGES = 300_000


@dataclass(frozen=True)
class ExploreView:
    """Answers about images, from the coordinates of the PCA version in force."""

    runs: RunTable
    results: Bucket
    cache: PointCache

    def map(self, batches: Sequence[str], components: int, most: int) -> dict[str, Any]:
        """Images as points, column by column; all batches where none is named."""
        version = current_number(self.results)
        drawn = make_map(self._points(batches, version), components, most)
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
        among = self._records(batches)
        query = find(self._each(runs_of(self.runs, batch_of(path, "")), version), path)
        if query is None:  # an image from the bucket's root: its batch is named by a day
            query = find(self._each(all_runs(self.runs), version), path)
        if query is None:
            raise not_found(
                f"there is no processed image {path!r}: name it by its object key, "
                "<batch>/<label>/<name>"
            )
        found = similar(self._each(among, version), query, count)
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
            groups = near_duplicates(self._points([batch], version), least)
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
        found = outliers(self._points([batch], version), count)
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

    def _records(self, batches: Sequence[str]) -> list[RunRecord]:
        """The runs of these batches, or of all. Raises `ProblemError` for one that is none."""
        if not batches:
            return all_runs(self.runs)
        return [run for batch in dict.fromkeys(batches) for run in existing_runs(self.runs, batch)]

    def _points(self, batches: Sequence[str], version: int) -> list[Points]:
        """All points at once. Raises `ProblemError` where they are too many for one answer."""
        seen = _seen(self._records(batches))
        if sum(run.images or 0 for run in seen) > MOST_IMAGES:
            raise bad_request(
                f"more than {MOST_IMAGES} images are too many for one answer: name fewer batches, "
                "or ask the results themselves (docs/query.md)"
            )
        return newest_only(list(self.cache.points(seen, version))) if version else []

    def _each(self, records: Sequence[RunRecord], version: int) -> Iterator[Points]:
        """The points, a batch at a time: memory does not grow with their number."""
        by_batch = groupby(_seen(records) if version else [], key=lambda seen: seen.run.batch)
        for _, runs in by_batch:
            yield from newest_only(list(self.cache.points(runs, version)))


def _seen(records: Sequence[RunRecord]) -> list[Seen]:
    done = sorted((r for r in records if r.state == State.DONE), key=lambda r: r.key)
    # an erased batch's numbers and revisions come again, its time does not
    return [Seen(r.key, f"{r.opened_at}/{r.revision}", r.processed) for r in done]


def told(image: Image) -> dict[str, Any]:
    """An image, and its batch as it stands in addresses."""
    return {**asdict(image), "id": id_of(image.batch)}
