"""The Parquet files that a run leaves: their columns, writing and reading them."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from darkroom.storage.ranges import RangeFile
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

COMPONENTS = 50  # numbers in each row of PCA_SCHEMA
_FOOTER_BYTES = 64 * 1024
PIXEL_CONTRACT = "pixel_contract"  # in the metadata of features files: its id

FEATURES_SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "label": pa.string(),
        "features": pa.list_(pa.float32()),
        "content_sha256": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "format": pa.string(),
        "backbone": pa.string(),
        "has_more": pa.bool_(),
    }
)
REJECTED_SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "reason": pa.string(),
        "detail": pa.string(),
        "content_sha256": pa.string(),
    }
)
SKIPPED_SCHEMA = pa.schema(
    {"path": pa.string(), "size_bytes": pa.int64(), "content_sha256": pa.string()}
)
THUMBNAILS_SCHEMA = pa.schema(
    {"path": pa.string(), "content_sha256": pa.string(), "jpeg": pa.binary()}
)
PCA_SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "label": pa.string(),
        "pca": pa.list_(pa.float32()),
        "content_sha256": pa.string(),
        "backbone": pa.string(),
    }
)


def to_parquet(table: pa.Table, group_rows: int | None = None) -> bytes:
    """A Parquet file (Snappy, as Spark writes them), its rows in groups of so many. Numbers of a
    vector gain nothing from a dictionary, repeated strings do."""
    repeated = [
        name for name in ("label", "format", "backbone", "reason") if name in table.column_names
    ]
    buffer = io.BytesIO()
    pq.write_table(table, buffer, group_rows, compression="snappy", use_dictionary=repeated)
    return buffer.getvalue()


def without_paths(data: bytes, paths: pa.Array) -> bytes | None:
    """The Parquet file without the rows of these paths; None where it has none of them.

    All else stays: the order and the bits of the other rows, schema and metadata, and each
    column's compression and encoding.
    """
    file = pq.ParquetFile(io.BytesIO(data))
    groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    kept = [group.filter(pc.invert(pc.is_in(group["path"], paths))) for group in groups]
    if [group.num_rows for group in kept] == [group.num_rows for group in groups]:
        return None
    columns = _columns_of(file)
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        file.schema_arrow,
        version=file.metadata.format_version,
        compression={name: column.compression.lower() for name, column in columns.items()},
        use_dictionary=[n for n, column in columns.items() if column.has_dictionary_page],
    ) as writer:
        for group in kept:
            writer.write_table(group)
    return buffer.getvalue()


def _columns_of(file: pq.ParquetFile) -> dict[str, pq.ColumnChunkMetaData]:
    """How the first row group's columns are stored, by their paths in the schema."""
    return _columns_in(file.metadata.row_group(0))


def _columns_in(group: pq.RowGroupMetaData) -> dict[str, pq.ColumnChunkMetaData]:
    chunks = [group.column(number) for number in range(group.num_columns)]
    return {chunk.path_in_schema: chunk for chunk in chunks}


def read_columns(store: Store, key: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of a stored Parquet file, without fetching the others."""
    stored = RangeFile(partial(store.read_range, key), store.size(key))
    with pq.ParquetFile(stored, pre_buffer=False) as file:
        return file.read(columns=list(columns), use_threads=False)


def rows_of_paths(
    store: Store, key: str, paths: Collection[str], columns: Sequence[str]
) -> pa.Table:
    """Some columns of the rows of these paths in a stored Parquet file. Of one that is sorted by
    path, only those groups of rows are fetched that may hold one of them."""
    size = store.size(key)

    def opened(blocks: int) -> RangeFile:
        return RangeFile(partial(store.read_range, key), size, blocks)

    told = pq.read_metadata(opened(_FOOTER_BYTES))
    groups = [told.row_group(number) for number in range(told.num_row_groups)]
    may = [number for number, group in enumerate(groups) if _may_hold(group, paths)]

    def read(number: int) -> pa.Table:
        with pq.ParquetFile(opened(groups[number].total_byte_size), metadata=told) as file:
            return file.read_row_group(number, [*columns], use_threads=False)

    tables = list(read_ahead(read, may, store.read_ahead))
    rows = pa.concat_tables(tables) if tables else told.schema.to_arrow_schema().empty_table()
    return rows.filter(pc.is_in(rows["path"], pa.array(list(paths), pa.string())))


def _may_hold(group: pq.RowGroupMetaData, paths: Collection[str]) -> bool:
    known = _columns_in(group)["path"].statistics
    if known is None or not known.has_min_max:
        return True
    return any(known.min <= path <= known.max for path in paths)


def from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a Parquet file, or just some of its columns."""
    return pq.read_table(io.BytesIO(data), columns=columns)
