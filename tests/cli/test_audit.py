"""`darkroom audit`: a receipt for what others made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from cli.main import cli
from darkroom.images.backbone import Backbone
from darkroom.images.features import featurize
from darkroom.images.fetch import fetch
from darkroom.images.outcome import Limits
from darkroom.run.folder import walk_folder
from tests.conftest import jpeg

Photos = Callable[..., Path]


def audited(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["audit", *map(str, words)])


def told(*words: str | Path) -> dict[str, Any]:
    answer = audited(*words, "--json")
    assert answer.exit_code == (0 if json.loads(answer.stdout)["clean"] else 1), answer.output
    return dict(json.loads(answer.stdout))


@pytest.fixture
def folder(photos: Photos) -> Path:
    """Twelve sound pictures, one of them twice; three that are not; and a text."""
    made = photos(12)
    (made / "apple" / "again.jpg").write_bytes(jpeg(3))
    (made / "apple" / "cut.jpg").write_bytes(jpeg(4)[:-500])
    (made / "empty.png").write_bytes(b"")
    (made / "gone.jpg").symlink_to(made / "nowhere.jpg")
    (made / "notes.txt").write_text("no picture")
    return made


def test_it_says_what_is_wrong_with_each_file(folder: Path) -> None:
    found = told(folder)
    assert (found["found"], found["readable"], found["rejected"], found["missing"]) == (
        16,
        13,
        2,
        1,
    )
    assert found["rejected_by_reason"] == {"empty": 1, "missing": 1, "truncated": 1}
    assert [one["path"] for one in found["refused"]] == [
        "spring/apple/cut.jpg", "spring/empty.png", "spring/gone.jpg"]  # fmt: skip
    assert found["skipped"] == ["spring/notes.txt"]
    assert found["copies"] == [["spring/apple/3.jpg", "spring/apple/again.jpg"]]
    assert not found["clean"]
    said = audited(folder).stdout
    assert "16 found = 13 readable + 2 rejected + 1 missing" in said
    assert "spring/apple/3.jpg = spring/apple/again.jpg" in said


def test_its_verdicts_are_those_of_a_run(folder: Path, backbone: Backbone) -> None:
    rows = featurize(fetch(walk_folder(folder), Limits()), backbone, Limits())
    found = told(folder)
    reasons = zip(*(rows.rejected[name].to_pylist() for name in ("path", "reason", "detail")),
                  strict=True)  # fmt: skip
    assert [(o["path"], o["reason"], o["detail"]) for o in found["refused"]] == sorted(reasons)
    assert found["readable"] == rows.features.num_rows
    assert found["skipped"] == rows.skipped["path"].to_pylist()


def test_copies_are_no_fault(photos: Photos) -> None:
    made = photos(4)
    (made / "apple" / "again.jpg").write_bytes(jpeg(1))
    assert told(made)["clean"]


def spelled(folder: Path, how: str) -> list[str]:
    root = {"below": folder, "with its name": folder.parent, "in full": Path("/")}[how]
    start = "/" if how == "in full" else ""
    return [f"{start}{file.relative_to(root)}" for file in sorted(folder.rglob("*.jpg"))]


@pytest.mark.parametrize("how", ["below", "with its name", "in full"])
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_rows_and_files_are_held_against_each_other(
    photos: Photos, tmp_path: Path, how: str, kind: str
) -> None:
    made = photos(12)
    (made / "notes.txt").write_text("that needs no row")
    rows = spelled(made, how)
    table = pa.table({"file": [*rows[1:], rows[5], "spring/ghost.jpg"]})
    against = tmp_path / f"table.{kind}"
    if kind == "csv":
        against.write_text(
            "n,file\n" + "".join(f'1,"{row}"\n' for row in table["file"].to_pylist())
        )
    else:
        pq.write_table(table, against)
    found = told(made, "--against", against, "--column", "file")
    assert len(found["without_row"]) == 1
    assert found["without_row"][0].endswith(Path(rows[0]).name)
    assert found["without_file"] == ["spring/ghost.jpg"]
    assert found["repeated"] == [rows[5]]
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"file": rows}), whole)
    assert told(made, "--against", whole, "--column", "file")["clean"]


def test_all_rows_are_taken_to_spell_files_in_one_way(photos: Photos, tmp_path: Path) -> None:
    """A file's key may be another's path below the folder."""
    made = photos(4, "images")
    (made / "images" / "apple").mkdir(parents=True)
    (made / "images" / "apple" / "1.jpg").write_bytes(jpeg(50))
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"path": spelled(made, "below")}), table)
    assert told(made, "--against", table)["clean"]


def test_what_lies_in_a_bucket_is_audited_alike(s3_server: str) -> None:
    s3 = boto3.client("s3", endpoint_url=s3_server)
    s3.create_bucket(
        Bucket="audited", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    for key, body in {
        "set/a/1.jpg": jpeg(1),
        "set/a/2.jpg": jpeg(1),
        "set/b/no.jpg": b"no",
    }.items():
        s3.put_object(Bucket="audited", Key=key, Body=body)
    s3.put_object(Bucket="audited", Key="other/1.jpg", Body=b"")
    found = told("s3://audited/set")
    assert (found["found"], found["readable"]) == (3, 2)
    assert found["copies"] == [["set/a/1.jpg", "set/a/2.jpg"]]
    assert [one["path"] for one in found["refused"]] == ["set/b/no.jpg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "neither a folder nor an s3:// address"),
        (["empty"], "there are no files"),
        (["spring", "--against", "table.parquet"], "no column 'path'"),
        (["spring", "--against", "notes.parquet"], "no column 'path'"),
    ],
)
def test_bad_usage_says_what_to_do(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    photos(2)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.parquet").write_text("no table")
    pq.write_table(pa.table({"file": ["x"]}), tmp_path / "table.parquet")
    monkeypatch.chdir(tmp_path)
    answer = audited(*words)
    assert answer.exit_code == 2
    assert said in answer.stderr
