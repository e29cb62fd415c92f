"""Ended jobs to readers: receipts, partitions, the view, CSV, failures, cost."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import replace

import boto3
import pytest

from darkroom.errors import UsageError
from darkroom.layout import Run
from darkroom.run import receipt
from functions import catalog_results
from functions.publication.csv_writer import CsvWriter
from functions.publication.steps import Completion
from functions.repair.redrive import Redriven, redrive
from functions.repair.retry import retry_rejected
from functions.runs.records import RunRecord, State
from tests.functions.cloud.job import do_the_job
from tests.functions.cloud.world import World


def finish_with_receipt(world: World, **changes: object) -> None:
    """Let the job of `spring` end well, but its receipt say something else."""
    world.upload("spring/1.jpg")
    world.deliver("uploads")
    world.deliver("submit")
    (job,) = world.emr._jobs.values()
    do_the_job(world, job)
    key = Run("spring", 1).receipt
    account = replace(receipt.unpack(world.results.read(key)), **changes)  # type: ignore[arg-type]
    world.results.write(key, receipt.pack(account))
    world.emr._change(job, "SUCCESS")
    world.tell(job)
    world.pump()


def test_a_receipt_that_does_not_balance_is_never_called_done(world: World) -> None:
    finish_with_receipt(world, processed=0)
    record = world.record("spring")
    assert (record.state, record.unbalanced) == (State.FAILED, True)
    assert "1 found ≠ 0 processed" in record.reason
    assert world.partitions("features") == set()


def test_a_receipt_over_another_manifest_is_never_called_done(world: World) -> None:
    finish_with_receipt(world, found=2, processed=2)
    assert "the manifest names 1" in world.record("spring").reason


def test_a_job_without_a_receipt_has_failed(world: World) -> None:
    world.upload("spring/1.jpg")
    world.deliver("uploads")
    world.deliver("submit")
    (job,) = world.emr._jobs.values()
    world.emr._change(job, "SUCCESS")
    world.tell(job)
    world.pump()
    assert "left no receipt" in world.record("spring").reason


def test_cost_comes_from_the_billed_resources_of_all_attempts(world: World) -> None:
    world.job_fails = lambda attempt: attempt == 1
    world.upload("spring/1.jpg")
    world.pump()
    record = world.record("spring")
    assert (record.attempt, record.vcpu_hours, record.memory_gb_hours) == (2, 4, 8)
    assert record.cost == pytest.approx(4 * 0.05 + 8 * 0.005)


def test_a_cost_that_aws_does_not_tell_is_not_called_zero(world: World) -> None:
    finish_with_receipt(world)
    assert (world.record("spring").state, world.record("spring").cost) == (State.DONE, None)


def test_a_batch_of_only_bad_images_is_done_without_coordinates(world: World) -> None:
    world.upload("spring/broken.jpg")
    world.pump()
    record = world.record("spring")
    assert (record.state, record.processed, record.rejected) == (State.DONE, 0, 1)
    assert world.partitions("rejected") == {("spring", "1")}


def test_a_deleted_upload_is_missing(world: World) -> None:
    world.upload("spring/1.jpg")
    world.upload("spring/2.jpg")
    world.s3.delete_object(Bucket="uploads", Key="spring/1.jpg")
    world.pump()
    record = world.record("spring")
    assert (record.state, record.processed, record.missing) == (State.DONE, 1, 1)


def test_the_view_moves_to_a_new_version_with_every_run_in_it(world: World) -> None:
    world.upload("spring/1.jpg")
    world.pump()
    world.pca_version = 2
    world.upload("autumn/1.jpg")
    world.pump()
    view = boto3.client("glue").get_table(DatabaseName="darkroom", Name="features_pca")["Table"]
    assert view["Parameters"]["pca_version"] == "2"
    encoded = view["ViewOriginalText"].removeprefix("/* Presto View: ").removesuffix(" */")
    assert json.loads(base64.b64decode(encoded))["originalSql"].endswith('WHERE "model" = 2')
    assert {("2", "spring", "1"), ("2", "autumn", "1")} <= world.partitions("features_pca_versions")
    writer = CsvWriter(world.results)
    assert {writer.present(Run(batch, 1)).version for batch in ("spring", "autumn")} == {2}


def test_a_run_whose_coordinates_come_late_is_caught_up_with(world: World) -> None:
    """Its neighbour is done without it; it goes on by itself, and never fails any more."""
    world.upload("spring/1.jpg")
    world.pump()
    world.pca_version = 2
    world.upload("autumn/1.jpg")
    world.deliver("uploads")
    world.deliver("submit")
    (job,) = (job for job in world.emr._jobs.values() if job["state"] != "SUCCESS")
    do_the_job(world, job)
    (late,) = world.results.list(Run("spring", 1).results_pca(2))
    coordinates = world.results.read(late)
    world.results.delete([late])
    world.emr._change(job, "SUCCESS")
    world.tell(job)
    for _ in range(8):
        world.deliver("catalog")
    spring, autumn = world.record("spring"), world.record("autumn")
    assert (autumn.state, autumn.csv_version, autumn.trouble) == (State.DONE, 2, "")
    assert (spring.state, spring.csv_version) == (State.DONE, 1)
    assert "not all coordinates of version 2" in spring.trouble
    world.results.write(late, coordinates)
    world.pump()
    spring = world.record("spring")
    assert (spring.state, spring.csv_version, spring.trouble) == (State.DONE, 2, "")
    assert CsvWriter(world.results).present(Run("spring", 1)).version == 2


def test_a_new_version_costs_the_run_that_brings_it_no_export_but_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many runs there are: each sees to its own CSV, by a message."""
    counted: list[Counter[str]] = []
    publish = Completion.publish

    def noted(self: Completion, record: RunRecord) -> bool:
        begun = len(world.calls)
        published = publish(self, record)
        counted.append(Counter(world.calls[begun:]))
        return published

    for batches in (2, 12):
        for number in range(batches):
            world.upload(f"{batches}-{number}/1.jpg")
        world.pump()
        world.pca_version += 1
        world.upload(f"{batches}-new/1.jpg")
        with monkeypatch.context() as patch:
            patch.setattr(Completion, "publish", noted)
            world.pump()
        runs, writer = receipt.done_runs(world.results), CsvWriter(world.results)
        assert {writer.present(run).version for run in runs} == {world.pca_version}
    few, many = counted
    assert (few.pop("SendMessageBatch"), many.pop("SendMessageBatch")) == (1, 2)  # ten runs each
    assert many == few


def test_more_than_a_hundred_partitions_are_added(world: World) -> None:
    catalog = catalog_results.completion().catalog
    catalog.add_coordinates(1, [Run("spring", number) for number in range(1, 251)])
    catalog.add_coordinates(1, [Run("spring", number) for number in range(1, 252)])
    assert len(world.partitions("features_pca_versions")) == 251


def test_rejected_images_are_worked_again_and_nothing_else(world: World) -> None:
    world.upload("spring/1.jpg")
    world.upload("spring/broken.jpg")
    world.pump()
    retry_rejected(world.record("spring"), world.runs, world.queues, world.results)
    world.pump()
    assert world.manifest_of("spring", 2) == ["spring/broken.jpg"]
    assert (world.record("spring", 2).state, world.record("spring", 2).retry_of) == (State.DONE, 1)
    world.upload("autumn/1.jpg")
    world.pump()
    with pytest.raises(UsageError, match="rejected nothing"):
        retry_rejected(world.record("autumn"), world.runs, world.queues, world.results)


def test_dead_letters_are_brought_back(world: World) -> None:
    for number in range(12):
        world.send("dead", {"number": number})
    sqs = boto3.client("sqs")
    assert redrive(sqs, world.urls["dead"], world.urls["catalog"]) == Redriven(12)
    assert redrive(sqs, world.urls["dead"], world.urls["catalog"]) == Redriven(0)
