"""What the API answers."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections import Counter
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa
import pytest

from darkroom.erasure.request import Selector
from darkroom.layout import ERASURES, Run
from darkroom.run.progress import ProgressNote
from darkroom.storage.parquet import REJECTED_SCHEMA, to_parquet
from functions.runs.records import State
from functions.web import drift_view
from functions.web.names import batch_of_id, id_of
from tests.functions.cloud.world import World
from tests.functions.erasure.corpus import ask as ask_to_erase
from tests.functions.web.api_client import HOSTILE, NAMES, ask

SPRING = "/api/batches/spring"
UNANSWERED: list[tuple[str, Any, int, str]] = [
    ("/api/nothing", None, 404, "nothing at this"),
    ("/api/batches/none", None, 404, "no batch 'none'"),
    (f"{SPRING}/runs/9", None, 404, "no run 9"),
    (f"{SPRING}/runs/x", None, 404, "number of a run"),
    (f"{SPRING}/runs/1/thumbnails/..%2Fx", None, 404, ""),
    ("/api/batches", {}, 405, "use GET"),
    ("/api/map?components=4", None, 400, "from 2 to 3"),
    ("/api/map?most=many", None, 400, "whole number"),
    ("/api/similar", None, 400, "one 'path'"),
    ("/api/similar?path=none", None, 404, "no processed"),
    ("/api/similar?path=spring/apple/good.jpg&batch=none", None, 404, "no batch 'none'"),
    ("/api/map?batch=none", None, 404, "no batch 'none'"),
    ("/api/batches/none/duplicates", None, 404, "no batch 'none'"),
    ("/api/batches/none/outliers", None, 404, "no batch 'none'"),
    ("/api/batches/none/drift", None, 404, "no image of a batch 'none'"),
    (f"{SPRING}/drift?from=none", None, 404, "no image of a batch 'none'"),
    (f"{SPRING}/drift", None, 400, "too few to tell"),
    (f"{SPRING}/duplicates?cosine=0.1", None, 400, "0.9"),
    (f"{SPRING}/uploads", {"names": 1}, 400, "list"),
    (f"{SPRING}/uploads", [], 400, "object"),
    ("/api/batches/~Lg/uploads", {}, 404, "folder"),
    (f"{SPRING}/ready", {"images": -1}, 400, "number"),
    (f"{SPRING}/ready", {"images": float("inf")}, 400, "JSON"),
    (f"/api/batches/{id_of('é' * 700)}", None, 404, "names no batch"),
    ("/page/api.py", None, 404, "no file"),
]


def test_batches_and_runs_are_told_with_their_state_in_words(images: World) -> None:
    images.upload("open/1.jpg")
    images.deliver("uploads")
    told = {batch["batch"]: batch for batch in ask(images, "/api/batches").told["batches"]}
    assert told.keys() == {"spring", HOSTILE, "open"}
    newest = told["open"]["newest"]
    assert (newest["state"], newest["finished"], newest["files"]) == ("OPEN", False, 1)
    assert "closes in" in newest["words"]
    assert newest["closes_in_seconds"] is not None
    spring = ask(images, "/api/batches/spring").told
    assert spring["processed"] == 5
    (run,) = spring["runs"]
    assert run["receipt"] == {
        "found": 6, "processed": 5, "rejected": 1, "missing": 0, "balanced": True}  # fmt: skip
    assert run["cost"]["currency"] == "EUR"
    assert ask(images, "/api/batches/spring/runs/1").told == run
    assert (
        ask(images, "/api/batches/spring/runs/1/receipt").told["equation"].startswith("6 found =")
    )


def test_a_running_job_is_told_with_its_rate(images: World) -> None:
    run = Run("spring", 1)
    record = images.runs.get(run)
    assert record is not None
    images.runs.change(record, state=State.RUNNING)
    note = ProgressNote(images.results, run, 6)
    note.note(4)
    told = ask(images, "/api/batches/spring/runs/1").told
    assert (told["progress"]["done"], told["progress"]["total"]) == (4, 6)
    assert "4 of 6 files" in told["words"]
    note.remove()
    assert ask(images, "/api/batches/spring/runs/1").told["progress"] is None


def test_batches_with_any_name_are_found(images: World) -> None:
    answer = ask(images, f"/api/batches/{id_of(HOSTILE)}")
    assert answer.told["batch"] == HOSTILE
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["spring", "été", "a b", "100%25", "~x", ".hidden", "a/b?c#d", HOSTILE, "-", "a.b"]
)
def test_ids_of_batches_survive_in_addresses(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._~-]+", id_of(name))
    assert batch_of_id(id_of(name)) == name


@pytest.mark.parametrize("name", ["~", "~!", "~YQ==", "~YQ", "a b", "", "~" + "Z" * 5])
def test_what_is_no_id_names_no_batch(name: str) -> None:
    assert batch_of_id(name) is None


def test_rejected_images_come_with_reasons_page_by_page(images: World) -> None:
    told = ask(images, "/api/batches/spring/runs/1/rejected").told
    (row,) = told["rejected"]
    assert (row["path"], row["reason"]) == ("spring/apple/broken.jpg", "decode_error")
    assert told["next"] is None
    assert ask(images, "/api/batches/spring/runs/1/rejected?after=part-00000@1").told == {
        "rejected": [], "next": None}  # fmt: skip


def test_a_late_page_of_the_rejected_is_read_as_the_first_is(images: World) -> None:
    """Of 60 files, those that the page is in."""
    run = Run("spring", 1)
    names = [f"spring/{n:04}.jpg" for n in range(420)]
    for number in range(60):
        rows = [{"path": path, "reason": "decode_error", "detail": "", "content_sha256": ""}
                for path in names[number * 7 : number * 7 + 7]]  # fmt: skip
        table = pa.Table.from_pylist(rows, REJECTED_SCHEMA)
        images.results.write(f"{run.rejected}/part-{number:05}.parquet", to_parquet(table))
    told, reads, after = [], [], ""
    while True:
        images.calls.clear()
        page = ask(images, f"/api/batches/spring/runs/1/rejected{after}").told
        reads.append(Counter(images.calls)["GetObject"])
        told += [row["path"] for row in page["rejected"]]
        if page["next"] is None:
            break
        after = f"?after={page['next']}"
    assert told == names
    assert max(reads) <= 16
    assert len(reads) == 5


def test_links_lead_to_the_results_for_minutes(images: World) -> None:
    told = ask(images, "/api/batches/spring/runs/1/files").told
    kinds = {file["kind"] for file in told["files"]}
    assert kinds == {"receipt", "csv", "features", "coordinates", "rejected"}
    for file in told["files"]:
        assert "X-Amz-Expires=300" in file["url"]
        assert file["key"].split("/")[0] in file["url"]
    original = ask(images, f"/api/original?{urlencode({'path': NAMES[0]})}").told["url"]
    assert quote(NAMES[0]) in original
    assert "response-content-type=image" in original


def test_the_map_shows_all_batches_or_some(images: World) -> None:
    told = ask(images, "/api/map?components=3").told
    assert (told["total"], told["shown"], told["rule"]) == (6, 6, None)
    assert len(told["x"]) == len(told["y"]) == len(told["z"]) == len(told["path"]) == 6
    spring = ask(images, "/api/map?batch=spring&most=3").told
    assert (spring["total"], spring["shown"]) == (5, 3)
    assert "SHA-256" in spring["rule"]
    assert spring["files"][0]["id"] == "spring"
    assert set(spring["path"]) < set(NAMES)


def test_similar_images_duplicates_and_outliers(images: World) -> None:
    query = urlencode({"path": NAMES[3], "count": 3})
    told = ask(images, f"/api/similar?{query}").told
    assert told["image"]["path"] == NAMES[3]
    assert told["similar"][0]["path"] == NAMES[4]
    assert told["similar"][0]["same_content"]
    groups = ask(images, "/api/batches/spring/duplicates?cosine=0.99999").told["groups"]
    assert [[image["path"] for image in group["images"]] for group in groups] == [NAMES[3:]]
    far = ask(images, "/api/batches/spring/outliers?count=2").told["outliers"]
    assert len(far) == 2
    assert far[0]["cosine"] <= far[1]["cosine"]


def test_how_far_batches_are_from_each_other_is_told_from_their_sums(
    images: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift_view, "LEAST_IMAGES", 1)
    of_all = ask(images, f"{SPRING}/drift").told
    assert (of_all["other"], of_all["images"], of_all["other_images"]) == (None, 5, 1)
    of_one = ask(images, f"{SPRING}/drift?from={id_of(HOSTILE)}").told
    assert of_one == {**of_all, "other": HOSTILE}
    assert of_one["distance"] > 0
    back = ask(images, f"/api/batches/{id_of(HOSTILE)}/drift?from=spring").told
    assert back["distance"] == pytest.approx(of_one["distance"])
    itself = ask(images, f"{SPRING}/drift?from=spring").told
    assert itself["distance"] == pytest.approx(0, abs=1e-5)


def test_thumbnails_come_by_path(images: World) -> None:
    (file, *_) = images.results.list(Run("spring", 1).thumbnails)
    part = file.rpartition("/")[2].removesuffix(".parquet")
    query = urlencode({"path": [*NAMES, "spring/none.jpg"]}, doseq=True)
    told = ask(images, f"/api/batches/spring/runs/1/thumbnails/{part}?{query}").told["thumbnails"]
    assert told["spring/none.jpg"] is None
    assert b64decode(next(jpeg for jpeg in told.values() if jpeg)).decode() in NAMES


def test_erased_images_are_not_shown_again(images: World) -> None:
    assert ask(images, "/api/map").told["total"] == 6
    ask_to_erase(images, "20-r1", Selector("keys", (NAMES[0],)))
    images.pump()
    assert NAMES[0] not in json.dumps(ask(images, "/api/map").told)
    answer = ask(images, f"/api/similar?{urlencode({'path': NAMES[0]})}")
    assert answer.status == 404
    batches = ask(images, "/api/batches").told["batches"]
    assert ERASURES not in {batch["batch"] for batch in batches}
    assert ask(images, f"/api/batches/{id_of(ERASURES)}").status == 404


def test_an_image_that_was_sent_again_is_shown_as_it_is_now(images: World) -> None:
    images.upload(NAMES[0], b"another picture")
    images.pump()
    assert images.record("spring", 2).state == State.DONE
    told = ask(images, "/api/map").told
    assert told["total"] == 6
    at = told["path"].index(NAMES[0])
    assert told["files"][told["file"][at]]["run"] == 2
    assert ask(images, f"/api/similar?{urlencode({'path': NAMES[0]})}").told["image"]["run"] == 2


def test_an_erased_batch_that_comes_again_shows_nothing_of_the_old(images: World) -> None:
    assert ask(images, "/api/map?batch=spring").told["total"] == 5
    ask_to_erase(images, "20-r1", Selector("batch", ("spring",)))
    images.pump()
    for number in range(6):
        images.upload(f"spring/new/{number}.jpg", b"new %d" % number)
    images.pump()
    told = ask(images, "/api/map?batch=spring").told
    assert {path.split("/")[1] for path in told["path"]} == {"new"}


def test_an_upload_form_allows_images_of_one_batch_and_no_more(images: World) -> None:
    names = ["apple/<script>.jpg", "new.jpg"]
    told = ask(images, "/api/batches/spring/uploads", "POST", {"names": names}).told
    assert told["present"].keys() == {"apple/<script>.jpg"}
    assert told["present"]["apple/<script>.jpg"] == {"size_bytes": 1, "sha256": None}
    policy = json.loads(b64decode(told["fields"]["policy"]))
    assert ["starts-with", "$key", "spring/"] in policy["conditions"]
    assert ["starts-with", "$Content-Type", "image/"] in policy["conditions"]
    assert ["content-length-range", 0, 1_000_000] in policy["conditions"]
    assert told["expires_in_seconds"] == 900


def test_marking_a_batch_closes_it(world: World) -> None:
    world.upload("summer/1.jpg")
    assert ask(world, "/api/batches/summer/ready", "POST", {"images": 1}).told == {"marked": True}
    marker = world.s3.get_object(Bucket="uploads", Key="summer/_READY")["Body"].read()
    assert json.loads(marker) == {"images": 1}
    ask(world, "/api/batches/summer/ready", "POST", {})
    assert world.s3.get_object(Bucket="uploads", Key="summer/_READY")["Body"].read() == b""


def test_a_batch_that_has_ended_is_not_marked_again(images: World) -> None:
    answer = ask(images, "/api/batches/spring/ready", "POST", {})
    assert (answer.status, answer.told["status"]) == (409, 409)
    assert "nothing to close" in answer.told["detail"]
    again = ask(images, "/api/batches/spring/ready", "POST", {"images": 3})  # more are on their way
    assert again.told == {"marked": True}


def test_what_cannot_be_answered_says_why(images: World) -> None:
    for target, body, status, words in UNANSWERED:
        answer = ask(images, target, "GET" if body is None else "POST", body)
        assert (answer.status, answer.told["status"]) == (status, status), target
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert words in answer.told["detail"], target


def test_a_fault_of_ours_says_no_more_than_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("functions.web.batches_view.RunsView.batches", fail)
    answer = ask(world, "/api/batches")
    assert answer.status == 500
    assert "secret" not in answer.body


def test_a_body_that_is_no_json_is_refused(world: World) -> None:
    target = "/api/batches/x/ready"
    answer = ask(world, target, "POST", {}, headers={"Content-Type": "text/plain"})
    assert answer.status == 415
    assert answer.headers["Content-Type"] == "application/problem+json"
