"""A conditional write whose answer is lost: it has landed or not, and nothing is cleaned up that
may be in force."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest

from darkroom.coordinates import pca, versions
from darkroom.coordinates.statistics import statistics_of
from darkroom.erasure import block_list
from darkroom.erasure.rewrite import rewrite
from darkroom.errors import ConflictError, LostAnswerError
from darkroom.layout import BLOCK_LIST, CURRENT_PCA, Run, pca_model
from darkroom.storage.conditional_write import write_on_condition
from darkroom.storage.local import LocalStore
from darkroom.storage.s3 import S3Store
from darkroom.storage.store import Requirement, Store
from functions.aws.bucket import Bucket
from tests.darkroom.storage.lossy import Loss, LossyS3, lossy

ABSENT = Requirement(None, "there is none", "somebody was quicker")
NAME = "lossy"


@pytest.fixture
def between(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LossyS3]:
    bucket = boto3.resource("s3", endpoint_url=s3_server).create_bucket(
        Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with lossy(s3_server) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made
    bucket.objects.delete()
    bucket.delete()


@pytest.fixture(params=["obstore", "boto3"])
def store(request: pytest.FixtureRequest, between: LossyS3) -> Store:
    if request.param == "obstore":
        return S3Store(NAME)
    return Bucket(boto3.client("s3", endpoint_url=between.url), NAME)


@pytest.mark.parametrize("loss", ["answer", "request"])
@pytest.mark.parametrize("earlier", [None, b"0"], ids=["new", "changed"])
def test_what_was_lost_is_looked_for_and_written_once(
    store: Store, between: LossyS3, loss: Loss, earlier: bytes | None
) -> None:
    requirement = ABSENT
    if earlier is not None:
        store.write("pointer", earlier)
        requirement = Requirement(store.read_versioned("pointer").etag, "as read", "changed")
    between.loss = loss
    write_on_condition(store, "pointer", b"1", requirement)
    assert store.read("pointer") == b"1"


def test_of_what_landed_and_was_changed_since_nobody_can_say(
    store: Store, between: LossyS3
) -> None:
    between.loss = "both"
    with pytest.raises(LostAnswerError):
        write_on_condition(store, "pointer", b"1", ABSENT)
    assert store.read("pointer") == b"someone else's"


def test_what_is_refused_at_once_did_not_land(store: Store, between: LossyS3) -> None:
    store.write("pointer", b"0")
    between.puts.clear()
    with pytest.raises(ConflictError, match="somebody was quicker"):
        write_on_condition(store, "pointer", b"1", ABSENT)
    assert len(between.puts) == 1


class Loses(LocalStore):
    """Every first answer to a conditional write of a key is lost: after it landed, or, with
    `before`, before; with `then`, another has written since."""

    before = False
    then: bytes | None = None

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.lost: set[str] = set()

    def write_if(self, key: str, data: bytes, requirement: Requirement) -> None:
        first = key not in self.lost
        self.lost.add(key)
        if not (first and self.before):
            super().write_if(key, data, requirement)
        if first:
            if self.then is not None:
                self.write(key, self.then)
            raise LostAnswerError(key)


@pytest.fixture(params=[False, True], ids=["landed", "did-not-land"])
def loses(request: pytest.FixtureRequest, tmp_path: Path) -> Loses:
    store = Loses(tmp_path)
    store.before = request.param
    return store


def claimed(store: Store, number: int = 1) -> versions.Version:
    coming = versions.Version(number, pca.NO_BASIS, None)
    nothing = statistics_of(np.zeros((0, 0), np.float32))
    return versions.claim(store, "b", [Run("spring", 1)], nothing, coming)


def test_a_number_is_claimed_once(loses: Loses) -> None:
    assert claimed(loses).number == 1
    assert sorted(versions.fitted_on(loses)) == [1]


def test_a_version_is_published_once(loses: Loses) -> None:
    versions.publish(loses, "b", claimed(loses))
    assert json.loads(loses.read(CURRENT_PCA))["version"] == 1
    assert loses.list(pca_model(1))


def test_a_version_that_may_be_in_force_is_not_cleared_away(tmp_path: Path) -> None:
    store = Loses(tmp_path)
    version = claimed(store)
    store.then = json.dumps({"version": 2, "backbone": "b"}).encode()  # built on this one, perhaps
    with pytest.raises(LostAnswerError):
        versions.publish(store, "b", version)
    assert len(store.list(pca_model(1))) == 2


def test_a_version_that_came_too_late_is_cleared_away(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    version = claimed(store)
    store.write(CURRENT_PCA, json.dumps({"version": 2, "backbone": "b"}).encode())
    with pytest.raises(ConflictError, match="another job has published a version meanwhile"):
        versions.publish(store, "b", version)
    assert store.list(pca_model(1)) == []


def test_a_version_is_withdrawn(loses: Loses) -> None:
    loses.write(CURRENT_PCA, json.dumps({"version": 3, "backbone": "b"}).encode())
    versions.withdraw(loses)
    assert json.loads(loses.read(CURRENT_PCA)) == {"version": 0, "last": 3}


def test_contents_are_blocked_once(loses: Loses) -> None:
    known = block_list.change(loses, lambda known: known.with_contents("e", ["content"]))
    assert known == block_list.unpack(loses.read(BLOCK_LIST))
    assert known.blocks("content")


@pytest.mark.parametrize("then", [None, b"[1, 2]"], ids=["alone", "with-another"])
def test_an_object_is_rewritten(loses: Loses, then: bytes | None) -> None:
    """Also where another wrote after it: then it is looked at anew."""
    loses.write("list", b"[1]")
    loses.then = then
    rewrite(loses, "list", lambda data: data.replace(b"1", b"0") if b"1" in data else None)
    assert b"1" not in loses.read("list")
