"""Dependencies point one way, and the versions that are pinned work together."""

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "darkroom": {"pyspark", "boto3", "emr_serverless_job", "functions", "local_cloud", "click"},
    "emr_serverless_job": {"functions", "local_cloud", "tensorflow", "keras", "click"},
    "functions": {"emr_serverless_job", "local_cloud", "pyspark", "click", "numpy", "PIL"},
}
ALLOWED = {"darkroom/s3_storage.py": {"boto3"}}  # for keys that obstore refuses


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_dependencies_point_one_way(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith("darkroom/cli/"):
            continue  # the command line stands above all of them
        top = {name.split(".")[0] for name in imports(path)} - ALLOWED.get(place, set())
        assert not top & FORBIDDEN[package], place
        assert not any(name.startswith("darkroom.cli") for name in imports(path)), place


def test_the_core_and_the_executors_never_import_tensorflow() -> None:
    for path in (ROOT / "darkroom").glob("*.py"):
        assert not {"tensorflow", "keras"} & {n.split(".")[0] for n in imports(path)}, path


@pytest.mark.parametrize(
    ("functions", "absent"),
    [
        (["collect_uploads", "submit_job", "reconcile"], ["numpy", "PIL", "obstore", "pyarrow"]),
        (["catalog_results"], ["numpy", "PIL", "obstore", "pandas"]),
        (["api"], ["PIL", "obstore", "pandas", "click", "inquirer", "yaml", "pip", "setuptools"]),
    ],
    ids=["small", "catalog", "api"],
)
def test_functions_need_no_more_than_is_deployed(functions: list[str], absent: list[str]) -> None:
    words = f"import sys; sys.modules.update(dict.fromkeys({absent})); "
    words += "; ".join(f"import functions.{name}" for name in functions)
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_requirements_carry_hashes_and_no_addresses() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text
        assert "index-url" not in text
        pinned = re.findall(r"^[\w.\-\[\],]+==", text, re.M)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)


def test_pinned_versions_are_those_that_run() -> None:
    assert version("pyspark") == "4.0.2"
    assert int(version("pandas").split(".")[0]) == 2


def test_arrow_and_pandas_functions_keep_nulls(spark: Any) -> None:
    """With pandas 3, PySpark 4.0.2 turns NULL into the text 'nan' here."""
    import pandas as pd
    from pyspark.sql.functions import pandas_udf, udf

    frame = spark.createDataFrame([("a",), (None,)], "text string")
    upper = udf(lambda text: text and text.upper(), "string", useArrow=True)
    assert [row[0] for row in frame.select(upper("text")).collect()] == ["A", None]

    @pandas_udf("string")  # type: ignore[call-overload,untyped-decorator]
    def upper_series(texts: pd.Series) -> pd.Series:
        return texts.str.upper()

    assert [row[0] for row in frame.select(upper_series("text")).collect()] == ["A", None]
    assert frame.toPandas()["text"].tolist() == ["a", None]


def test_arrays_cross_arrow_both_ways(spark: Any) -> None:
    import numpy as np
    import pyarrow as pa

    table = pa.table({"features": [[1.5, 2.5], [3.5]], "name": ["é🍑", None]})
    frame = spark.createDataFrame(table)
    same = frame.mapInArrow(lambda batches: batches, "features array<double>, name string")
    assert same.toArrow().to_pylist() == table.to_pylist()
    assert np.array_equal(same.toPandas()["features"][0], [1.5, 2.5])
