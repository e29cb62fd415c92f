"""Two batches with a copy between them; what is held of them, and erasing."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import boto3
import pyarrow.parquet as pq

from darkroom.coordinates import versions
from darkroom.erasure import certificate
from darkroom.erasure.request import Selector
from darkroom.explore.images import read_points
from darkroom.explore.packs import contents_without_points, packs, to_pack
from darkroom.layout import erasure_certificate
from darkroom.run import receipt
from darkroom.storage.bundles import Bundle, Index
from functions.runs.records import State
from tests.functions.cloud.world import World
from tests.functions.erasure.corpus import ask, really

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
    pack(world)
    return world


def pack(world: World) -> None:
    """The points of all runs in two packs a version, and one that no index names."""
    results = world.results
    for version in versions.fitted_on(results):
        read = [read_points(results, run, version) for run in receipt.done_runs(results)]
        bundles = []
        for name, several in (("first", read[:2]), ("second", read[2:]), ("unnamed", read)):
            others = {
                points.run: contents_without_points(results, points.run) for points in several
            }
            results.write(packs(version).key(name), to_pack(several, others))
            runs = tuple(points.run for points in several)
            bundles.append(Bundle(name, runs, sum(map(len, several)), 1))
        packs(version).replace(results, Index((), None), bundles[:2])


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
