"""Erasing images from a corpus of three batches, four runs and two PCA versions."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from darkroom import receipt, versions
from darkroom.erasure import block_list, certificate
from darkroom.erasure.block_list import BlockList
from darkroom.erasure.request import Selector, salted
from darkroom.layout import ERASURES, Run, erasure_certificate
from functions.records import State
from functions.signing import KmsSigner
from tests.functions.corpus import ask, really
from tests.functions.world import World

GONE = "spring/apple/2.jpg"
COPY = "autumn/other name.jpg"
BODIES = {
    "spring/apple/1.jpg": b"one",
    GONE: b"two",
    "spring/apple/3.jpg": b"three",
    "spring/Pêche plate/4.jpg": b"four",
    "spring/broken.jpg": b"broken",
}


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
def corpus(world: World) -> World:
    return build(world)


def build(world: World) -> World:
    """spring in two runs, autumn with a copy of one of its pictures, winter apart; an older version
    and a delete marker under one key; version 2 fitted when winter came."""
    world.job = really
    world.upload(GONE, b"an older picture")
    world.s3.delete_object(Bucket="uploads", Key=GONE)
    for key, body in BODIES.items():
        world.upload(key, body)
    world.pump()
    world.upload(COPY, BODIES[GONE])
    world.upload("autumn/5.jpg", b"five")
    world.pump()
    world.pca_version = 2
    for number in range(6, 12):
        world.upload(f"winter/{number}.jpg", b"%d" % number)
    world.pump()
    world.upload("spring/12.jpg", b"twelve")
    world.upload(GONE, b"a newer picture")
    world.pump()
    assert {record.state for record in world.runs.every()} == {State.DONE}
    assert world.record("winter").pca_version == 2
    return world


def everything(world: World) -> Iterator[tuple[str, str]]:
    """Every name and every byte that is stored, unpacked, as text."""
    for bucket in ("uploads", "results", "artifacts"):
        pages = world.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for item in (item for page in pages for item in page.get("Versions", [])):
            body = world.s3.get_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])[
                "Body"
            ].read()
            yield f"s3://{bucket}/{item['Key']}", item["Key"] + "\n" + _text(item["Key"], body)
        markers = (m for page in pages for m in page.get("DeleteMarkers", []))
        yield from ((f"s3://{bucket}/{m['Key']} (marker)", m["Key"]) for m in markers)
    yield "table", repr(boto3.client("dynamodb").scan(TableName="runs")["Items"])
    for name, url in world.urls.items():
        found = boto3.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        yield f"queue {name}", repr(found.get("Messages", []))


def _text(key: str, body: bytes) -> str:
    if key.endswith(".parquet"):
        file = pq.ParquetFile(io.BytesIO(body))
        columns = [name for name in file.schema_arrow.names if name not in ("features", "pca")]
        return repr(file.read(columns).to_pydict()) + body.decode("latin-1")
    if body.startswith(b"\x1f\x8b"):
        body = gzip.decompress(body)
    return body.decode("latin-1") + body.decode("utf-8", "replace")


def traces(world: World, *words: str) -> list[str]:
    return [place for place, text in everything(world) if any(word in text for word in words)]


def erase(world: World, number: str, selector: Selector, keep_copies: bool = False) -> Any:
    ask(world, number, selector, keep_copies)
    world.pump()
    return certificate.unpack(world.results.read(erasure_certificate(number)))


def test_a_key_goes_with_its_copies_from_everywhere(corpus: World) -> None:
    words = [GONE, COPY, digest(b"two"), digest(b"a newer picture")]
    assert len(traces(corpus, *words)) > 10
    told = erase(corpus, "20-r1", Selector("keys", (GONE,)))
    assert traces(corpus, *words) == []
    assert told["removed"] == {
        "coordinate_rows": 5,
        "delete_markers": 1,
        "feature_rows": 3,
        "incoming_entries": 3,
        "job_logs": 2,
        "manifest_entries": 3,
        "rejected_rows": 0,
        "thumbnails": 3,
        "unfinished_uploads": 0,
        "upload_versions": 4,
    }
    assert told["pca_versions"] == {"before": [1, 2], "deleted": [1, 2], "after": [3]}
    assert told["verified"]["found"] == 0
    assert salted("ab" * 16, GONE) in told["images"]
    assert corpus.record(ERASURES).state == State.DONE


def test_all_else_stays_bit_for_bit(corpus: World) -> None:
    before = {key: corpus.results.read(key) for key in corpus.results.list("Results")}
    erase(corpus, "20-r1", Selector("keys", (GONE,)))
    after = {key: corpus.results.read(key) for key in corpus.results.list("Results")}
    assert after.keys() == before.keys()
    for key, data in before.items():
        old, new = (pq.ParquetFile(io.BytesIO(d)) for d in (data, after[key]))
        assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
        assert new.metadata.row_group(0).column(2).compression == "SNAPPY"
        kept = [row for row in old.read().to_pylist() if row["path"] not in (GONE, COPY)]
        assert new.read().to_pylist() == kept
        if len(kept) == old.metadata.num_rows:
            assert after[key] == data
    account = receipt.unpack(corpus.results.read(Run("spring", 1).receipt))
    assert (account.found, account.processed, account.rejected, account.erased) == (4, 3, 1, 1)
    assert account.balanced
    assert (corpus.record("spring").processed, corpus.record("spring").images) == (3, 4)
    view = boto3.client("glue").get_table(DatabaseName="darkroom", Name="features_pca")["Table"]
    assert view["Parameters"]["pca_version"] == "3"
    assert {values[0] for values in corpus.partitions("features_pca_versions")} == {"3"}
    assert sorted(versions.fitted_on(corpus.results)) == [3]


def test_a_batch_goes_as_a_whole(corpus: World) -> None:
    keys = [*BODIES, "spring/12.jpg", COPY]
    erase(corpus, "20-r1", Selector("batch", ("spring",)))
    assert traces(corpus, *keys, *map(digest, BODIES.values())) == []
    assert corpus.runs.latest("spring") is None
    assert corpus.partitions("features") == {("autumn", "1"), ("winter", "1")}
    assert corpus.partitions("results_csv") == {("autumn",), ("winter",)}
    assert corpus.results.list("Results/batch=spring") == []
    assert receipt.unpack(corpus.results.read(Run("autumn", 1).receipt)).processed == 1


def test_the_model_stays_where_it_has_never_seen_the_image(corpus: World) -> None:
    corpus.upload("late/1.jpg", b"late")
    corpus.upload("late/2.jpg", b"later")
    corpus.pump()
    told = erase(corpus, "20-r1", Selector("prefix", ("late/1",)))
    assert told["pca_versions"] == {"before": [1, 2], "deleted": [], "after": [1, 2]}
    assert traces(corpus, "late/1.jpg", digest(b"late")) == []
    assert b"late/2.jpg" in corpus.results.read(Run("late", 1).csv)


def test_the_last_image_leaves_no_model(world: World) -> None:
    world.job = really
    world.upload("spring/1.jpg", b"one")
    world.pump()
    told = erase(world, "20-r1", Selector("content", (digest(b"one"),)))
    assert told["pca_versions"] == {"before": [1], "deleted": [1], "after": []}
    assert traces(world, "spring/1.jpg", digest(b"one")) == []
    world.upload("spring/2.jpg", b"two")
    world.pump()
    assert (world.record("spring", 2).state, world.record("spring", 2).pca_version) == ("DONE", 2)


def test_copies_can_be_kept(corpus: World) -> None:
    told = erase(corpus, "20-r1", Selector("keys", (GONE,)), keep_copies=True)
    assert traces(corpus, GONE, digest(b"a newer picture")) == []
    assert traces(corpus, COPY)
    assert len(told["contents"]) == 1  # not that of the copy, which may be read again
    assert not block_list.load(corpus.results).blocks(digest(b"two"))


def test_an_erased_content_may_not_come_again_until_it_is_lifted(corpus: World) -> None:
    erase(corpus, "20-r1", Selector("keys", (GONE,)))
    corpus.upload("new/1.jpg", b"two")
    corpus.pump()
    account = receipt.unpack(corpus.results.read(Run("new", 1).receipt))
    assert account.rejected_by_reason == {"erased": 1}
    assert traces(corpus, digest(b"two")) == []
    block_list.change(corpus.results, lambda known: known.without(known.contents))
    corpus.upload("new/2.jpg", b"two")
    corpus.pump()
    assert corpus.record("new", 2).processed == 1


def test_a_late_event_does_not_bring_an_upload_back(corpus: World) -> None:
    event = corpus.upload("late/1.jpg", b"late")
    corpus.pump()
    other = corpus.upload("late/2.jpg", b"other")
    corpus.send("dead", {"Records": [*event["Records"], *other["Records"]]})
    erase(corpus, "20-r1", Selector("keys", ("late/1.jpg",)))
    assert traces(corpus, "late/1.jpg", digest(b"late")) == []
    assert traces(corpus, "late%2F2.jpg", "late/2.jpg")
    corpus.send("uploads", event)
    corpus.pump()
    assert traces(corpus, "late/1.jpg") == []


def test_what_waits_in_an_open_run_goes_too(corpus: World) -> None:
    corpus.upload("open/_READY", b'{"images": 9}')
    corpus.upload("open/1.jpg", b"open")
    corpus.upload("open/2.jpg", b"also open")
    corpus.deliver("uploads")
    erase(corpus, "20-r1", Selector("keys", ("open/1.jpg",)))
    assert traces(corpus, "open/1.jpg") == []
    record = corpus.record("open")
    corpus.runs.change(record, opened_at=record.opened_at - 3600)
    corpus.queues.pass_on(record)
    corpus.pump()
    assert (corpus.record("open").state, corpus.manifest_of("open")) == ("DONE", ["open/2.jpg"])


def test_runs_wait_for_an_erasure_and_lose_nothing(corpus: World) -> None:
    ask(corpus, "20-r1", Selector("keys", (GONE,)))
    corpus.upload("spring/13.jpg", b"thirteen")
    corpus.deliver("uploads")
    corpus.deliver("submit")
    assert corpus.record("spring", 3).waits_for_erasure
    corpus.pump()
    assert corpus.record("spring", 3).state == State.DONE
    assert corpus.record(ERASURES).state == State.DONE
    assert corpus.record("spring", 3).job_run_id > ""
    starts = [job["name"] for job in corpus.emr._jobs.values()][-2:]
    assert starts == ["erasure-1-attempt-1", "spring-run-3-attempt-1"]
    assert traces(corpus, GONE) == []


def test_an_erasure_waits_for_the_runs_under_way(corpus: World) -> None:
    corpus.upload("spring/13.jpg", b"thirteen")
    corpus.deliver("uploads")
    corpus.deliver("submit")
    assert corpus.record("spring", 3).state == State.SUBMITTED
    ask(corpus, "20-r1", Selector("batch", ("spring",)))
    corpus.deliver("submit")
    assert corpus.record(ERASURES).state == State.OPEN
    corpus.pump()
    assert corpus.record(ERASURES).state == State.DONE
    assert traces(corpus, "spring/13.jpg", GONE) == []


def test_many_requests_are_one_job(corpus: World) -> None:
    ask(corpus, "20-r1", Selector("keys", (GONE,)))
    ask(corpus, "20-r2", Selector("prefix", ("winter/1",)))
    ask(corpus, "20-r3", Selector("keys", ("nobody/knows.jpg",)))
    corpus.pump()
    (job,) = (job for job in corpus.emr._jobs.values() if "erasure" in job["name"])
    assert job["name"] == "erasure-1-attempt-1"
    assert job["executionRole"].endswith("role/erasure")
    told = [json.loads(corpus.results.read(erasure_certificate(f"20-r{n}"))) for n in (1, 2, 3)]
    assert [len(one["images"]) for one in told] == [2, 2, 0]
    assert traces(corpus, GONE, "winter/10.jpg") == []


def test_certificates_are_signed_and_name_nobody(corpus: World) -> None:
    told = erase(corpus, "20-r1", Selector("keys", (GONE,)))
    signer = KmsSigner(boto3.client("kms"), boto3.client("kms").list_keys()["Keys"][0]["KeyId"])
    signature = certificate.signature_of(told)
    assert signer.is_valid(certificate.digest_of(told), signature)
    assert not signer.is_valid(certificate.digest_of({**told, "removed": {}}), signature)
    assert GONE not in json.dumps(told)
    assert certificate.names(told, "ab" * 16, GONE)
    assert not certificate.names(told, "ab" * 16, "spring/apple/1.jpg")
    assert "ab" * 16 not in repr(list(everything(corpus)))


def test_unfinished_uploads_go_too(corpus: World) -> None:
    s3 = corpus.s3
    s3.create_multipart_upload(Bucket="uploads", Key=GONE)
    other = s3.create_multipart_upload(Bucket="uploads", Key="spring/apple/20.jpg")
    s3.create_multipart_upload(Bucket="results", Key=Run("spring", 1).csv)
    erase(corpus, "20-r1", Selector("keys", (GONE,)))
    left = s3.list_multipart_uploads(Bucket="uploads")["Uploads"]
    assert [upload["UploadId"] for upload in left] == [other["UploadId"]]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="results")


def test_no_image_is_read(corpus: World) -> None:
    read: list[str] = []
    events = corpus.s3.meta.events

    def note(params: dict[str, Any], **_: Any) -> None:
        read.append(params["Bucket"])

    events.register("provide-client-params.s3.GetObject", note)
    erase(corpus, "20-r1", Selector("keys", (GONE,)))
    events.unregister("provide-client-params.s3.GetObject", note)
    assert set(read) == {"results", "artifacts"}


def test_a_part_that_is_written_too_late_is_cleared_when_its_run_closes(corpus: World) -> None:
    event = corpus.upload("late/1.jpg", b"late")
    corpus.upload("late/2.jpg", b"other")
    with pytest.MonkeyPatch.context() as patch:  # a collector that read the list before it changed
        erase(corpus, "20-r1", Selector("keys", ("late/1.jpg",)))
        patch.setattr(BlockList, "erased", lambda self, entry: False)
        corpus.send("uploads", event)
        corpus.deliver("uploads")
    assert traces(corpus, "late/1.jpg")
    corpus.pump()
    assert traces(corpus, "late/1.jpg") == []
    assert corpus.manifest_of("late") == ["late/2.jpg"]
