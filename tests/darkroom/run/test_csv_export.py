import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from darkroom.coordinates.vectors import vector_column
from darkroom.layout import Run, label_of, part_file
from darkroom.run.csv_export import export_csv, original_text
from darkroom.storage.local import LocalStore
from darkroom.storage.parquet import PCA_SCHEMA, to_parquet

RUN = Run("spring", 1)
HARD_NAMES = [
    "spring/Pêche plate/12.jpg",
    "spring/Pe\u0302che/1 2+3%.jpg",
    "spring/a\"b,c'd.jpg",
    "spring/two\nlines\r\n/x.jpg",
    "spring/🍑/1.jpg",
    "=HYPERLINK(1)/x.jpg",
    "'=quoted/x.jpg",
    "+1/-2/x.jpg",
    "@at/@b/x.jpg",
    "spring/" + "long/" * 178 + "x.jpg",
]


def export(tmp_path: Path, paths: list[str], numbers: np.ndarray, mark: bool = False) -> bytes:
    store = LocalStore(tmp_path)
    for part in range(2):  # two files, to show that order and header hold across files
        chosen = slice(part, None, 2)
        count = len(paths[chosen])
        table = pa.table(
            [
                pa.array(paths[chosen]),
                pa.array([label_of(path) for path in paths[chosen]]),
                vector_column(numbers[chosen]),
                pa.array(["00"] * count),
                pa.array(["id"] * count),
            ],
            schema=PCA_SCHEMA,
        )
        store.write(f"{RUN.results_pca(1)}/{part_file(part)}", to_parquet(table))
    export_csv(store, RUN, 1, 50, mark)
    return (tmp_path / RUN.csv).read_bytes()


@pytest.fixture
def numbers() -> np.ndarray:
    random = np.random.default_rng(3)
    values = random.normal(size=(len(HARD_NAMES), 50)) * 10.0 ** random.integers(-30, 30, 50)
    values[0, :4] = [0, -0.0, np.finfo(np.float32).tiny, np.finfo(np.float32).max]
    return values.astype(np.float32)


def test_a_byte_order_mark_stands_once_at_the_start(tmp_path: Path, numbers: np.ndarray) -> None:
    plain = export(tmp_path / "plain", HARD_NAMES, numbers)
    assert export(tmp_path / "marked", HARD_NAMES, numbers, mark=True) == b"\xef\xbb\xbf" + plain


def test_names_and_numbers_come_back_exactly(tmp_path: Path, numbers: np.ndarray) -> None:
    text = export(tmp_path, HARD_NAMES, numbers).decode()
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert header == ["path", "label", *(f"pc_{n:02d}" for n in range(1, 51))]
    order = [*range(0, len(HARD_NAMES), 2), *range(1, len(HARD_NAMES), 2)]
    assert [original_text(row[0]) for row in rows] == [HARD_NAMES[at] for at in order]
    assert [original_text(row[1]) for row in rows] == [label_of(HARD_NAMES[at]) for at in order]
    read = np.array([[np.float32(cell) for cell in row[2:]] for row in rows])
    assert np.array_equal(read.view(np.uint32), numbers[order].view(np.uint32))


def test_no_name_starts_like_a_formula(tmp_path: Path, numbers: np.ndarray) -> None:
    text = export(tmp_path, HARD_NAMES, numbers).decode()
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert not row[1].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_lines_end_as_the_rfc_says(tmp_path: Path, numbers: np.ndarray) -> None:
    data = export(tmp_path, HARD_NAMES[:3], numbers[:3])
    assert data.count(b"\r\n") == data.count(b"\n") == 4


def test_a_run_without_coordinates_is_a_header(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    export_csv(store, RUN, 1, 50)
    assert (tmp_path / RUN.csv).read_text().startswith("path,label,pc_01")
    assert (tmp_path / RUN.csv).read_text().count("\n") == 1
