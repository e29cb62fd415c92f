"""Erasing images from a corpus of three batches, four runs and two PCA versions."""

from __future__ import annotations

import io
import json
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest

from darkroom.coordinates import versions
from darkroom.erasure import block_list, certificate
from darkroom.erasure.request import Selector, salted
from darkroom.layout import ERASURES, Run
from darkroom.run import receipt
from functions.erasure.signing import KmsSigner
from functions.runs.records import State
from tests.functions.cloud.world import World
from tests.functions.erasure.corpus import really
from tests.functions.erasure.two_batches import (
    BODIES,
    COPY,
    GONE,
    digest,
    erase,
    everything,
    traces,
)


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
        "skipped_rows": 0,
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


@pytest.mark.long
def test_a_batch_goes_as_a_whole(corpus: World) -> None:
    keys = [*BODIES, "spring/12.jpg", COPY]
    erase(corpus, "20-r1", Selector("batch", ("spring",)))
    assert traces(corpus, *keys, *map(digest, BODIES.values())) == []
    assert corpus.runs.latest("spring") is None
    assert corpus.partitions("features") == {("autumn", "1"), ("winter", "1")}
    assert corpus.partitions("results_csv") == {("autumn",), ("winter",)}
    assert corpus.results.list("Results/batch=spring") == []
    assert receipt.unpack(corpus.results.read(Run("autumn", 1).receipt)).processed == 1


@pytest.mark.long
def test_the_model_stays_where_it_has_never_seen_the_image(corpus: World) -> None:
    corpus.upload("late/1.jpg", b"late")
    corpus.upload("late/2.jpg", b"later")
    corpus.pump()
    told = erase(corpus, "20-r1", Selector("prefix", ("late/1",)))
    assert told["pca_versions"] == {"before": [1, 2], "deleted": [], "after": [1, 2]}
    assert traces(corpus, "late/1.jpg", digest(b"late")) == []
    assert b"late/2.jpg" in corpus.results.read(Run("late", 1).csv)


@pytest.mark.long
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


@pytest.mark.long
def test_copies_can_be_kept(corpus: World) -> None:
    told = erase(corpus, "20-r1", Selector("keys", (GONE,)), keep_copies=True)
    assert traces(corpus, GONE, digest(b"a newer picture")) == []
    assert traces(corpus, COPY)
    assert len(told["contents"]) == 1  # not that of the copy, which may be read again
    assert not block_list.load(corpus.results).blocks(digest(b"two"))


@pytest.mark.long
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


@pytest.mark.long
def test_unfinished_uploads_go_too(corpus: World) -> None:
    s3 = corpus.s3
    s3.create_multipart_upload(Bucket="uploads", Key=GONE)
    other = s3.create_multipart_upload(Bucket="uploads", Key="spring/apple/20.jpg")
    s3.create_multipart_upload(Bucket="results", Key=Run("spring", 1).csv)
    erase(corpus, "20-r1", Selector("keys", (GONE,)))
    left = s3.list_multipart_uploads(Bucket="uploads")["Uploads"]
    assert [upload["UploadId"] for upload in left] == [other["UploadId"]]
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="results")


@pytest.mark.long
def test_no_image_is_read(corpus: World) -> None:
    read: list[str] = []
    events = corpus.s3.meta.events

    def note(params: dict[str, Any], **_: Any) -> None:
        read.append(params["Bucket"])

    events.register("provide-client-params.s3.GetObject", note)
    erase(corpus, "20-r1", Selector("keys", (GONE,)))
    events.unregister("provide-client-params.s3.GetObject", note)
    assert set(read) == {"results", "artifacts"}
