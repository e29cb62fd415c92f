"""What docs/query.md shows runs on the results of two small batches."""

from __future__ import annotations

import inspect
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
import sqlglot
from sqlglot import exp

from darkroom.coordinates.pointer import current_number
from darkroom.explore.images import read_points
from darkroom.explore.similar import find, similar
from darkroom.run.receipt import done_runs
from darkroom.storage.local import LocalStore
from darkroom.storage.opening import open_store
from tests.project import ROOT

DOCUMENT = (ROOT / "docs/query.md").read_text()
ASKED = "spring/apple/13.jpg"  # as the document has it


def blocks(info: str) -> list[str]:
    """The document's code blocks that are marked so, in its order."""
    return re.findall(rf"^```{info}\n(.*?)^```$", DOCUMENT, re.M | re.S)


def block(info: str, part: str) -> str:
    """The one code block that has this in it."""
    (found,) = [text for text in blocks(info) if part in text]
    return found


@pytest.fixture(scope="module")
def bucket(place: Path, s3_server: str) -> str:
    """The same results on S3."""
    import boto3

    s3 = boto3.client("s3")
    where = {"LocationConstraint": "eu-west-1"}
    s3.create_bucket(Bucket="asked", CreateBucketConfiguration=where)
    store, target = LocalStore(place / "results"), open_store("s3://asked")
    for prefix in ("Results", "Results_PCA", "pca"):
        for key in store.list(prefix):
            target.write(key, store.read(key))
    return "s3://asked"


def executed(part: str, results: str = "results", info: str = "python") -> dict[str, Any]:
    """What the block that has this in it leaves, after the opening that all of them share."""
    text = block("python", "version = ") + block(info, part)
    names: dict[str, Any] = {}
    exec(text.replace('results = "results"', f'results = "{results}"'), names)
    return names


# ---------------------------------------------------------------- SQL


def in_duckdb(athena: str) -> str:
    """A query, read as Athena's and said in DuckDB's words, which has no `zip_with`."""

    def rewritten(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Anonymous) and node.name.lower() == "zip_with":
            first, second, function = node.expressions
            pairs = [name.name for name in function.expressions]
            body = function.this.transform(
                lambda part: (
                    sqlglot.parse_one(f"pair[{pairs.index(part.name) + 1}]", read="duckdb")
                    if isinstance(part, exp.Identifier) and part.name in pairs
                    else part
                )
            )
            written = f"list_transform(list_zip({first.sql('duckdb')}, {second.sql('duckdb')}), "
            written += f"LAMBDA pair : {body.sql('duckdb')})"
            return sqlglot.parse_one(written, read="duckdb")
        return node

    (tree,) = sqlglot.parse(athena, read="athena")
    assert tree is not None
    logging.getLogger("sqlglot").disabled = True  # that `reduce` has no fourth argument there
    return tree.transform(rewritten).sql("duckdb")


@pytest.fixture(scope="module")
def tables(place: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The document's own views, and Athena's table of partitions."""
    patch = pytest.MonkeyPatch()
    patch.chdir(place)
    connection = executed("CREATE VIEW")["connection"]
    connection.sql("""CREATE VIEW "features_pca_versions$partitions" AS
        SELECT DISTINCT model, batch, run FROM features_pca_versions""")
    yield connection
    connection.close()
    patch.undo()


QUERIES = blocks("sql")


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_every_query_of_the_document_finds_something(
    query: str, tables: duckdb.DuckDBPyConnection
) -> None:
    assert len(tables.sql(in_duckdb(query)).fetchall()) > 0


def ask(tables: duckdb.DuckDBPyConnection, part: str) -> pd.DataFrame:
    return tables.sql(in_duckdb(block("sql", part))).df()


def test_the_counts_are_those_of_the_receipt(tables: duckdb.DuckDBPyConnection) -> None:
    counts = ask(tables, "AS outcome").values.tolist()
    assert counts == [
        ["", "not_an_image", 1],
        ["Pêche plate", "processed", 15],
        ["apple", "empty", 1],
        ["apple", "processed", 16],
    ]
    assert ask(tables, "detail")["reason"].tolist() == ["empty", "not_an_image"]
    assert ask(tables, "UNNEST")["component"].between(1, 50).all()


def test_copies_are_found_across_batches(tables: duckdb.DuckDBPyConnection) -> None:
    (row,) = ask(tables, "AS copies").to_dict("records")
    assert list(row["paths"]) == ["autumn/apple/again.jpg", ASKED]


def test_neighbours_in_sql_are_those_of_the_page(
    place: Path, tables: duckdb.DuckDBPyConnection
) -> None:
    store = LocalStore(place / "results")
    points = [read_points(store, done, current_number(store)) for done in done_runs(store)]
    query = find(points, ASKED)
    assert query is not None
    expected = similar(points, query, 10)
    for found in (
        ask(tables, "zip_with"),
        executed("list_cosine_similarity")["nearest"],
    ):
        assert found["path"].tolist() == [neighbour.image.path for neighbour in expected]
        assert found["cosine"].tolist() == pytest.approx([n.cosine for n in expected], abs=1e-5)


def test_the_view_shows_one_version_of_several(tables: duckdb.DuckDBPyConnection) -> None:
    assert len(ask(tables, "$partitions")) == 2
    assert tables.sql("FROM features_pca").df()["model"].unique().tolist() == [2]


def test_what_cannot_be_asked_here_is_sql_at_least() -> None:
    """The statements that fetch DuckDB's extensions are parsed, and no more."""
    (extensions,) = blocks("sql duckdb")
    assert len(duckdb.connect().extract_statements(extensions)) == 3


# ---------------------------------------------------------------- Python


@pytest.fixture
def odd(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The results with two more batches, called like a number and with an escaped sign."""
    shutil.copytree(place / "results", tmp_path / "results")
    version = current_number(LocalStore(tmp_path / "results"))
    for parent in ("Results", f"Results_PCA/model={version}"):
        for name in ("2026", "50%25"):
            into = tmp_path / "results" / parent / f"batch={name}"
            shutil.copytree(tmp_path / "results" / parent / "batch=spring", into)
    monkeypatch.chdir(tmp_path)
    return tmp_path


BATCHES = {"spring", "autumn", "2026", "50%"}


def test_pandas_reads_a_folder(odd: Path) -> None:
    names = executed("import pyarrow")
    assert set(names["features"]["batch"]) == set(names["pca"]["batch"]) == BATCHES
    assert len(names["joined"]) == len(names["pca"]) == 3 * 31 + 91
    assert (names["joined"]["content_sha256"] == names["joined"]["content_sha256_again"]).all()


def test_polars_reads_a_folder(odd: Path) -> None:
    labels = executed("import polars")["labels"]
    assert set(labels["batch"]) == BATCHES
    assert labels.filter(pl.col("batch") == "2026")["len"].to_list() == [15, 16]


def test_duckdb_reads_a_folder(odd: Path) -> None:
    connection = executed("CREATE VIEW")["connection"]
    for table in ("features", "features_pca"):
        found = connection.sql(f"SELECT DISTINCT batch FROM {table}").fetchall()
        assert {batch for (batch,) in found} == BATCHES


@pytest.mark.parametrize("library", ["pandas", "polars", "awswrangler"])
def test_a_bucket_is_read_like_a_folder(library: str, place: Path, bucket: str) -> None:
    part = {"pandas": "import pyarrow", "polars": "import polars", "awswrangler": "wr.s3"}
    names = executed(part[library], bucket)
    if library == "pandas":
        assert len(names["joined"]) == 31 + 91
    if library == "polars":
        assert names["labels"]["len"].sum() == 31 + 91
    if library == "awswrangler":
        assert len(names["spring"]) == 31


def test_awswrangler_takes_these_arguments_for_athena(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import awswrangler as wr

    real = inspect.signature(wr.athena.read_sql_query)
    monkeypatch.setattr(wr.athena, "read_sql_query", real.bind)
    monkeypatch.chdir(place)
    bound = executed("wr.athena", info="python athena")["pca"]
    assert sqlglot.parse_one(bound.arguments["sql"], read="athena")


def test_csv_gives_names_with_line_breaks_back(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    table = executed("read_csv")["table"]
    assert "spring/apple/two\nlines.jpg" in table["path"].tolist()


def test_all_code_of_the_document_is_run_by_a_test() -> None:
    marked = re.findall(r"^```(.+)$", DOCUMENT, re.M)
    assert set(marked) == {"sql", "sql duckdb", "python", "python athena"}
    assert len(blocks("python")) == 6  # the opening, pandas, Polars, DuckDB, awswrangler, CSV
