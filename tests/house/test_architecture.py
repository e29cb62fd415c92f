"""Dependencies point one way, and the versions that are pinned work together."""

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

from tests.house.rooms import KNOWN, MAY_KNOW, imports, is_module, modules, room_of
from tests.project import ROOT, template

FOREIGN = {
    "darkroom": {"pyspark", "boto3", "click"},
    "emr_serverless_job": {"tensorflow", "keras", "click"},
    "functions": {"pyspark", "click", "numpy", "PIL"},
}
ALLOWED = {"darkroom/storage/s3.py": {"boto3"}}  # for keys that obstore refuses


def test_the_table_names_every_room() -> None:
    assert {room_of(path) for path in modules()} == set(MAY_KNOW)


def test_the_table_has_no_circle() -> None:
    left = {room: may_know - {room} for room, may_know in MAY_KNOW.items()}
    while left:
        ground = {room for room, may_know in left.items() if not may_know & left.keys()}
        assert ground, f"a circle among {sorted(left)}"
        left = {room: may_know for room, may_know in left.items() if room not in ground}


@pytest.mark.parametrize("room", MAY_KNOW)
def test_a_room_knows_those_that_it_may_know(room: str) -> None:
    assert KNOWN[room] <= {*MAY_KNOW[room], room}


def test_modules_know_each_other_one_way() -> None:
    """Also within a room."""
    left = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): set(
            filter(is_module, imports(path))
        )
        for path in modules()
    }
    while left:
        ground = {name for name, known in left.items() if not known & left.keys()}
        assert ground, f"a circle among {sorted(left)}"
        left = {name: known for name, known in left.items() if name not in ground}


@pytest.mark.parametrize("package", FOREIGN)
def test_libraries_stay_where_they_belong(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        allowed = ALLOWED.get(path.relative_to(ROOT).as_posix(), set())
        assert not {name.split(".")[0] for name in imports(path)} & (FOREIGN[package] - allowed), (
            path
        )


def test_tensorflow_is_for_building_the_model_alone() -> None:
    for path in (ROOT / "darkroom").rglob("*.py"):
        heavy = {"tensorflow", "keras"} & {name.split(".")[0] for name in imports(path)}
        assert not heavy or path.parent.name == "model", path


def test_files_and_functions_are_short() -> None:
    for path in [*modules(), *(ROOT / "tests").rglob("*.py")]:
        text = path.read_text()
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)) if ROOT / "tests" not in path.parents else ():
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 40, f"{path}: {node.name}"


def test_handlers_are_called_like_their_resources() -> None:
    """Directly in `functions/` lie the handlers, and nothing else."""
    functions = {
        name: resource["Properties"]["Handler"]
        for name, resource in template()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    for name, handler in functions.items():
        assert handler == f"functions.{re.sub('(?<!^)(?=[A-Z])', '_', name).lower()}.handler"
    hall = {path.stem for path in (ROOT / "functions").glob("*.py")} - {"__init__"}
    assert {f"functions.{name}.handler" for name in hall} == set(functions.values())


@pytest.mark.parametrize(
    ("functions", "absent"),
    [
        (["collect_uploads", "submit_job", "reconcile"], ["numpy", "PIL", "obstore", "pyarrow"]),
        (["catalog_results"], ["numpy", "PIL", "obstore", "pandas"]),
        (
            ["api_function"],
            ["PIL", "obstore", "pandas", "click", "inquirer", "yaml", "pip", "setuptools"],
        ),
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
