"""A run's coordinates as CSV (RFC 4180), in constant memory.

Numbers are the shortest that read back as the same float32. Text that a spreadsheet would run as
a formula gets an apostrophe in front; `original_text` takes it off again. Names with quotes or
line breaks are quoted, as the RFC says.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from darkroom.layout import Run
from darkroom.storage.parquet import from_parquet
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

_FILES_AHEAD = 4
_FORMULA = r"^'*[=+\-@\t\r]"
_NEEDS_QUOTES = r"[\",\r\n]"


def header(components: int) -> str:
    """The first line.

    >>> header(2)
    'path,label,pc_01,pc_02'
    """
    return ",".join(["path", "label", *(f"pc_{number:02d}" for number in range(1, components + 1))])


def csv_chunks(
    store: Store,
    run: Run,
    version: int,
    components: int,
    first_file: int = 0,
    byte_order_mark: bool = False,
) -> Iterator[bytes]:
    """The file's bytes in UTF-8, a Parquet file of coordinates at a time; the first chunk is the
    header's, with a byte order mark for spreadsheets if wanted.

    An export that was interrupted after `first_file` Parquet files goes on from there, without
    the header.
    """
    if not first_file:
        encoding = "utf-8-sig" if byte_order_mark else "utf-8"
        yield (header(components) + "\r\n").encode(encoding)
    keys = store.list(run.results_pca(version), ".parquet")[first_file:]
    yield from read_ahead(lambda key: _chunk(store.read(key), components), keys, _FILES_AHEAD)


def export_csv(
    store: Store, run: Run, version: int, components: int, byte_order_mark: bool = False
) -> None:
    """Write the run's CSV; repeating it replaces the file."""
    chunks = csv_chunks(store, run, version, components, byte_order_mark=byte_order_mark)
    store.write_chunks(run.csv, chunks)


def _chunk(data: bytes, components: int) -> bytes:
    table = from_parquet(data, ["path", "label", "pca"])
    return "".join(f"{line}\r\n" for line in _lines(table, components)).encode()


def _lines(table: pa.Table, components: int) -> list[str]:
    flat = table["pca"].combine_chunks().flatten()
    offsets = pa.array(range(0, len(flat) + 1, components), pa.int32())
    rows = pa.ListArray.from_arrays(offsets, pc.cast(flat, pa.string()))
    text = [_field(table[name]).combine_chunks() for name in ("path", "label")]
    lines: list[str] = pc.binary_join_element_wise(
        *text, pc.binary_join(rows, ","), ","
    ).to_pylist()
    return lines


def _field(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as a CSV field: formulas disarmed, quotes where they are needed."""
    safe = pc.if_else(
        pc.match_substring_regex(column, _FORMULA),
        pc.binary_join_element_wise("'", column, ""),
        column,
    )
    doubled = pc.replace_substring(safe, '"', '""')
    quoted = pc.binary_join_element_wise('"', doubled, '"', "")
    return pc.if_else(pc.match_substring_regex(safe, _NEEDS_QUOTES), quoted, safe)


def paths_in(lines: Iterable[str]) -> Iterator[str]:
    """The paths in an export, line by line."""
    for fields in islice(csv.reader(lines), 1, None):  # after the header
        yield original_text(fields[0])


def original_text(field: str) -> str:
    """A name as it was before formulas were disarmed.

    >>> original_text("'=1+1/12.jpg"), original_text("plain/12.jpg")
    ('=1+1/12.jpg', 'plain/12.jpg')
    """
    return field[1:] if re.match(r"^'+[=+\-@\t\r]", field) else field
