"""A part of a manifest to rows: features, and rejections with their reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from darkroom.coordinates.vectors import vector_column
from darkroom.erasure.block_list import ERASED_WORDS, NOTHING_BLOCKED, BlockList
from darkroom.images.backbone import Backbone
from darkroom.images.contract import DISPLAY, Contract
from darkroom.images.decoder import Decoder, decoder
from darkroom.images.decoder_process import Wanted
from darkroom.images.fetch import Fetched
from darkroom.images.outcome import Limits, Pixels, Rejection
from darkroom.images.recognising import kind_of, looks_like_image, what_to_do_with
from darkroom.layout import Run, label_of
from darkroom.manifest import Entry
from darkroom.storage.parquet import (
    FEATURES_SCHEMA,
    PIXEL_CONTRACT,
    REJECTED_SCHEMA,
    SKIPPED_SCHEMA,
    THUMBNAILS_SCHEMA,
)
from darkroom.storage.read_ahead import made_ahead

EMBED_BATCH = 8
_AHEAD = EMBED_BATCH  # images decoded, and not yet embedded
_ERASED = Rejection("erased", ERASED_WORDS)


@dataclass(frozen=True)
class PartOutcome:
    """What became of a part: a row per processed image, one per rejected, one per file that is no
    image; thumbnails of the processed images, and of the truncated ones as far as they go."""

    features: pa.Table
    rejected: pa.Table
    skipped: pa.Table
    thumbnails: pa.Table

    @property
    def files(self) -> int:
        """How many files there were."""
        return sum(len(table) for table in (self.features, self.rejected, self.skipped))

    def tables(self, run: Run) -> list[tuple[str, pa.Table]]:
        """What is to be stored, by folder, in this order: where each file has its row in one of the
        last three, all is there."""
        return [
            (run.thumbnails, self.thumbnails),
            (run.results, self.features),
            (run.rejected, self.rejected),
            (run.skipped, self.skipped),
        ]


@dataclass
class _Rows:
    processed: list[dict[str, object]] = field(default_factory=list)
    rejected: list[dict[str, object]] = field(default_factory=list)
    skipped: list[dict[str, object]] = field(default_factory=list)
    thumbnails: list[dict[str, object]] = field(default_factory=list)


def featurize(
    fetched: Iterable[Fetched],
    backbone: Backbone,
    limits: Limits,
    blocked: BlockList = NOTHING_BLOCKED,
    thumbnails: bool = True,
    contract: Contract = DISPLAY,
) -> PartOutcome:
    """Decode and embed images in order. The same bytes in the same order give the same rows.

    Images are read and decoded on a thread of their own, so that a store, a decoder and the network
    wait for each other as little as may be. One whose content was erased is rejected undecoded, and
    its digest not kept.
    """
    wanted = Wanted(backbone.size, limits, contract, thumbnails)
    rows, vectors = _Rows(), [np.zeros((0, backbone.dimensions), np.float32)]
    with decoder() as mine:
        looked = made_ahead((_look(item, mine, wanted, blocked) for item in fetched), _AHEAD)
        for images in _batched(_noted(looked, rows, backbone), EMBED_BATCH):
            vectors.append(backbone.embed(np.stack(images)))
    return PartOutcome(
        _features_table(rows.processed, np.concatenate(vectors), contract),
        pa.Table.from_pylist(rows.rejected, REJECTED_SCHEMA),
        pa.Table.from_pylist(rows.skipped, SKIPPED_SCHEMA),
        pa.Table.from_pylist(rows.thumbnails, THUMBNAILS_SCHEMA),
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a file: `outcome` None where it is no image. `digest` is of its bytes, None
    where they were not read, or may not be known."""

    entry: Entry
    digest: str | None
    outcome: Pixels | Rejection | None
    jpeg: bytes | None = None


def look(fetched: Iterable[Fetched], wanted: Wanted) -> Iterator[Looked]:
    """What each file is, decoded where it is an image."""
    with decoder() as mine:
        for item in fetched:
            yield _look(item, mine, wanted, NOTHING_BLOCKED)


def _look(item: Fetched, mine: Decoder, wanted: Wanted, blocked: BlockList) -> Looked:
    entry, data = item.entry, item.data
    if isinstance(data, Rejection):  # what was not read is known by its name alone
        unread = data.reason == "too_large" or entry.refusal
        is_other = unread and not looks_like_image(entry.key, b"")
        return Looked(entry, None, None if is_other else data)
    digest = hashlib.sha256(data).hexdigest()
    if blocked.blocks(digest):
        return Looked(entry, None, _ERASED)
    if not looks_like_image(entry.key, data):
        return Looked(entry, digest, None)
    if data and (words := what_to_do_with(entry.key)) and kind_of(data) is None:
        return Looked(entry, digest, Rejection("unsupported_mode", words))
    decoded = mine.decode(data, wanted)
    return Looked(entry, digest, decoded.outcome, decoded.jpeg)


def _noted(
    looked: Iterable[Looked], rows: _Rows, backbone: Backbone
) -> Iterator[NDArray[np.uint8]]:
    """The pixels of the good images; notes on `rows` what became of each file."""
    for one in looked:
        if one.jpeg:
            rows.thumbnails.append(
                {"path": one.entry.key, "content_sha256": one.digest, "jpeg": one.jpeg}
            )
        if isinstance(one.outcome, Pixels):
            rows.processed.append(_processed_row(one.entry.key, one.digest, one.outcome, backbone))
            yield one.outcome.array
        elif one.outcome is None:
            rows.skipped.append(_skipped_row(one))
        else:
            rows.rejected.append(_rejected_row(one.entry.key, one.digest, one.outcome))


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
        "has_more": pixels.has_more,
        "backbone": backbone.id,
    }


def _rejected_row(key: str, digest: str | None, rejection: Rejection) -> dict[str, object]:
    return {
        "path": key,
        "reason": rejection.reason,
        "detail": rejection.detail.encode("utf-8", "replace").decode(),
        "content_sha256": digest,
    }


def _skipped_row(one: Looked) -> dict[str, object]:
    return {
        "path": one.entry.key,
        "size_bytes": one.entry.size_bytes,
        "content_sha256": one.digest,
    }


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
