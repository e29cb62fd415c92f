"""A part of a manifest to rows: features, and rejections with their reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from darkroom.coordinates.vectors import vector_column
from darkroom.erasure.block_list import NOTHING_BLOCKED, BlockList
from darkroom.images.backbone import Backbone
from darkroom.images.contract import DISPLAY, Contract
from darkroom.images.fetch import Fetched
from darkroom.images.outcome import Limits, Pixels, Rejection
from darkroom.images.reading import read_image
from darkroom.images.recognising import kind_of, looks_like_image, what_to_do_with
from darkroom.images.thumbnails import thumbnail, thumbnail_of_truncated
from darkroom.layout import Run, label_of
from darkroom.storage.parquet import (
    FEATURES_SCHEMA,
    PIXEL_CONTRACT,
    REJECTED_SCHEMA,
    THUMBNAILS_SCHEMA,
)

EMBED_BATCH = 8
_ERASED = Rejection("erased", "an image with this content was erased; `darkroom unblock` allows it")


@dataclass(frozen=True)
class PartOutcome:
    """What became of a part: a row per processed image, one per rejected, a name per skipped;
    thumbnails of the processed images, and of the truncated ones as far as they go."""

    features: pa.Table
    rejected: pa.Table
    thumbnails: pa.Table
    skipped: list[str]

    def tables(self, run: Run) -> list[tuple[str, pa.Table]]:
        """What is to be stored, by folder."""
        return [
            (run.results, self.features),
            (run.rejected, self.rejected),
            (run.thumbnails, self.thumbnails),
        ]


@dataclass
class _Rows:
    processed: list[dict[str, object]] = field(default_factory=list)
    rejected: list[dict[str, object]] = field(default_factory=list)
    thumbnails: list[dict[str, object]] | None = None
    skipped: list[str] = field(default_factory=list)


def featurize(
    fetched: Iterable[Fetched],
    backbone: Backbone,
    limits: Limits,
    blocked: BlockList = NOTHING_BLOCKED,
    thumbnails: bool = True,
    contract: Contract = DISPLAY,
) -> PartOutcome:
    """Decode and embed images in order. The same bytes in the same order give the same rows.

    An image whose content was erased is rejected undecoded, and its digest not kept.
    """
    rows = _Rows(thumbnails=[] if thumbnails else None)
    vectors = [np.zeros((0, backbone.dimensions), np.float32)]
    rules = _Rules(backbone, limits, blocked, contract)
    for images in _batched(_decoded(fetched, rules, rows), EMBED_BATCH):
        vectors.append(backbone.embed(np.stack(images)))
    return PartOutcome(
        _features_table(rows.processed, np.concatenate(vectors), contract),
        pa.Table.from_pylist(rows.rejected, REJECTED_SCHEMA),
        pa.Table.from_pylist(rows.thumbnails or [], THUMBNAILS_SCHEMA),
        rows.skipped,
    )


@dataclass(frozen=True)
class _Rules:
    """What each image is read by."""

    backbone: Backbone
    limits: Limits
    blocked: BlockList
    contract: Contract


def _decoded(fetched: Iterable[Fetched], rules: _Rules, rows: _Rows) -> Iterator[NDArray[np.uint8]]:
    """The pixels of the good images; notes on `rows` what became of each image."""
    for item in fetched:
        key, data = item.entry.key, item.data
        if _is_no_image(key, data):
            rows.skipped.append(key)
            continue
        digest = hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else None
        if digest is not None and rules.blocked.blocks(digest):
            rows.rejected.append(_rejected_row(key, None, _ERASED))
            continue
        outcome = _outcome(key, data, rules)
        if rows.thumbnails is not None:
            rows.thumbnails += _thumbnail_rows(key, digest, data, outcome, rules.limits)
        if isinstance(outcome, Pixels):
            rows.processed.append(_processed_row(key, digest, outcome, rules.backbone))
            yield outcome.array
        else:
            rows.rejected.append(_rejected_row(key, digest, outcome))


def _outcome(key: str, data: bytes | Rejection, rules: _Rules) -> Pixels | Rejection:
    if isinstance(data, Rejection):
        return data
    if data and (words := what_to_do_with(key)) and kind_of(data) is None:
        return Rejection("unsupported_mode", words)
    return read_image(data, rules.backbone.size, rules.limits, rules.contract)


def _is_no_image(key: str, data: bytes | Rejection) -> bool:
    """By name and content, or, where it was too large to be read, by its name alone."""
    if isinstance(data, Rejection):
        return data.reason == "too_large" and not looks_like_image(key, b"")
    return not looks_like_image(key, data)


def _processed_row(
    key: str, digest: str | None, pixels: Pixels, backbone: Backbone
) -> dict[str, object]:
    return {
        "path": key,
        "label": label_of(key),
        "content_sha256": digest,
        "width": pixels.width,
        "height": pixels.height,
        "format": pixels.format,
        "backbone": backbone.id,
    }


def _rejected_row(key: str, digest: str | None, rejection: Rejection) -> dict[str, object]:
    return {
        "path": key,
        "reason": rejection.reason,
        "detail": rejection.detail.encode("utf-8", "replace").decode(),
        "content_sha256": digest,
    }


def _thumbnail_rows(
    key: str,
    digest: str | None,
    data: bytes | Rejection,
    outcome: Pixels | Rejection,
    limits: Limits,
) -> list[dict[str, object]]:
    """The row of an image that there is a picture of."""
    jpeg = None
    if isinstance(outcome, Pixels):
        jpeg = thumbnail(outcome)
    elif outcome.reason == "truncated" and isinstance(data, bytes):
        jpeg = thumbnail_of_truncated(data, limits)
    return [{"path": key, "content_sha256": digest, "jpeg": jpeg}] if jpeg else []


def _batched(images: Iterator[NDArray[np.uint8]], size: int) -> Iterator[list[NDArray[np.uint8]]]:
    batch: list[NDArray[np.uint8]] = []
    for image in images:
        batch.append(image)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _features_table(
    rows: list[dict[str, object]], vectors: NDArray[np.float32], contract: Contract
) -> pa.Table:
    """With the contract's id in its metadata."""
    names = [name for name in FEATURES_SCHEMA.names if name != "features"]
    plain = pa.Table.from_pylist(rows, pa.schema([FEATURES_SCHEMA.field(name) for name in names]))
    position = FEATURES_SCHEMA.get_field_index("features")
    table = plain.add_column(position, FEATURES_SCHEMA.field("features"), vector_column(vectors))
    return table.replace_schema_metadata({PIXEL_CONTRACT: contract.id})
