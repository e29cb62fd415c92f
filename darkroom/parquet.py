"""The Parquet files that a run leaves: their columns, writing and reading them."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

COMPONENTS = 50  # numbers in each row of PCA_SCHEMA

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
PCA_SCHEMA = pa.schema(
    {
        "path": pa.string(),
        "label": pa.string(),
        "pca": pa.list_(pa.float32()),
        "content_sha256": pa.string(),
        "backbone": pa.string(),
    }
)


def to_parquet(table: pa.Table) -> bytes:
    """A Parquet file (Snappy, as Spark writes them). Numbers of a vector gain nothing from a
    dictionary, repeated strings do."""
    repeated = [
        name for name in ("label", "format", "backbone", "reason") if name in table.column_names
    ]
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="snappy", use_dictionary=repeated)
    return buffer.getvalue()


def from_parquet(data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in a Parquet file, or just some of its columns."""
    return pq.read_table(io.BytesIO(data), columns=columns)
