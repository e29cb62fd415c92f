"""Ended jobs to readers: receipts, partitions, the view, CSV, failures, cost."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import boto3
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from darkroom import receipt
from darkroom.errors import ConflictError, TransientError, UsageError
from darkroom.layout import Run
from darkroom.parquet import COMPONENTS, PCA_SCHEMA, to_parquet
from functions import catalog_results
from functions.csv_writer import CsvWriter, Progress
from functions.records import State
from functions.redrive import Redriven, redrive
from functions.retry import retry_failed, retry_rejected
from tests.functions.world import World, do_the_job


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


def test_more_than_a_hundred_partitions_are_added(world: World) -> None:
    catalog = catalog_results.completion().catalog
    catalog.add_coordinates(1, [Run("spring", number) for number in range(1, 251)])
    catalog.add_coordinates(1, [Run("spring", number) for number in range(1, 252)])
    assert len(world.partitions("features_pca_versions")) == 251


class TestFailure:
    def fail(self, world: World, log: str = "", details: str = "") -> str:
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        for _ in range(2):
            world.deliver("submit")
            job = list(world.emr._jobs.values())[-1]
            if log:
                world.s3.put_object(
                    Bucket="artifacts",
                    Key=f"logs/applications/{job['applicationId']}/jobs/{job['jobRunId']}"
                    "/SPARK_DRIVER/stdout.gz",
                    Body=gzip.compress(log.encode()),
                )
            world.emr._change(job, "FAILED", details)
            world.tell(job)
            world.deliver("catalog")
        record = world.record("spring")
        assert (record.state, record.attempt) == (State.FAILED, 2)
        return record.reason

    def test_is_told_in_the_jobs_own_last_word(self, world: World) -> None:
        log = 'noise\n26/11/22 INFO {"outcome": "failed", "message": "no model at s3://x"}\nmore\n'
        assert self.fail(world, log) == "no model at s3://x"

    @pytest.mark.parametrize(
        ("details", "words"),
        [
            ("ExitCode: 137. Container killed on request", "out of memory"),
            ("AccessDenied when calling GetObject", "check the job role"),
            ("ApplicationMaxCapacityExceeded", "raise the stack's MaximumVcpu"),
            ("Job execution timed out", "JobTimeoutMinutes"),
            ("", "before it could say why"),
            ("Job failed, exit code 1: noise", "(exit code 1): see its log"),
        ],
        ids=["memory", "access", "capacity", "time", "silence", "status"],
    )
    def test_without_a_log_is_told_in_words(self, world: World, details: str, words: str) -> None:
        assert words in self.fail(world, details=details)

    def test_is_logged_where_a_message_comes_again(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.send("submit", {"nobody": "knows"})
        world.deliver("submit")
        assert "not a run to look at" in caplog.text

    def test_of_a_job_past_its_time_names_the_parameter(self, world: World) -> None:
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        world.deliver("submit")
        (job,) = world.emr._jobs.values()
        world.emr._change(job, "CANCELLED", "Job execution timed out")
        world.tell(job)
        world.deliver("catalog")
        assert "JobTimeoutMinutes" in world.record("spring").reason

    def test_of_a_job_that_was_cancelled_is_not_tried_again(self, world: World) -> None:
        world.upload("spring/1.jpg")
        world.deliver("uploads")
        world.deliver("submit")
        (job,) = world.emr._jobs.values()
        world.emr._change(job, "CANCELLED")
        world.tell(job)
        world.pump()
        assert world.record("spring").reason == "the job was cancelled"
        assert len(world.emr._jobs) == 1

    def test_can_be_retried_by_hand(self, world: World) -> None:
        self.fail(world)
        retry_failed(world.record("spring"), world.runs, world.queues)
        world.pump()
        assert (world.record("spring").state, world.record("spring").attempt) == (State.DONE, 3)

    def test_alone_can_be_retried(self, world: World) -> None:
        world.upload("spring/1.jpg")
        world.pump()
        with pytest.raises(UsageError, match="is DONE, not FAILED"):
            retry_failed(world.record("spring"), world.runs, world.queues)


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


class TestCsv:
    def coordinates(self, world: World, files: int, rows: int) -> Run:
        run = Run("spring", 1)
        for number in range(files):
            table = pa.Table.from_pylist(
                [
                    {"path": f"spring/{number}-{row}.jpg", "label": "", "content_sha256": "",
                     "pca": [row / 7] * COMPONENTS, "backbone": ""}
                    for row in range(rows)
                ],
                PCA_SCHEMA,
            )  # fmt: skip
            for folder in (run.results, run.results_pca(1)):
                world.results.write(f"{folder}/part-{number:05d}.parquet", to_parquet(table))
        return run

    def test_waits_for_coordinates_that_a_job_still_writes(self, world: World) -> None:
        run = self.coordinates(world, 2, 3)
        world.results.delete([f"{run.results_pca(1)}/part-00001.parquet"])
        with pytest.raises(TransientError, match="not all coordinates"):
            CsvWriter(world.results).export(run, 1, None, lambda: False)
        assert not world.results.list("Results_CSV")

    def test_never_takes_the_place_of_one_that_came_meanwhile(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = self.coordinates(world, 1, 3)
        complete = world.s3.complete_multipart_upload

        def late(IfNoneMatch: str = "", **words: Any) -> Any:  # noqa: N803
            """As S3 answers; moto knows no conditions here."""
            world.results.write(run.csv, b"newer")
            if IfNoneMatch == "*":
                answer = {"Error": {}, "ResponseMetadata": {"HTTPStatusCode": 412}}
                raise ClientError(answer, "CompleteMultipartUpload")  # type: ignore[arg-type]
            return complete(**words)

        monkeypatch.setattr(world.s3, "complete_multipart_upload", late)
        with pytest.raises(ConflictError, match="written by someone else"):
            CsvWriter(world.results).export(run, 1, None, lambda: False)
        assert world.results.read(run.csv) == b"newer"

    def test_stops_and_goes_on_in_further_invocations(self, world: World) -> None:
        run = self.coordinates(world, 40, 2000)
        writer = CsvWriter(world.results, part_bytes=5 * 1024 * 1024)
        assert writer.export(run, 1, None, lambda: False) is None
        whole = world.results.read(run.csv)
        world.results.delete([run.csv])
        stopped, invocations = writer.export(run, 1, None, lambda: True), 1
        while stopped is not None:
            assert run.csv not in world.results.list("Results_CSV")
            again = Progress(**json.loads(json.dumps(stopped.to_map())))
            stopped, invocations = writer.export(run, 1, again, lambda: True), invocations + 1
        assert invocations >= 2
        assert world.results.read(run.csv) == whole
        assert whole.count(b"\r\n") == 40 * 2000 + 1

    def test_forgotten_by_s3_begins_anew(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run, gone = self.coordinates(world, 2, 3), Progress("spring", 1, 1, "gone", 1, 1)
        upload_part = world.s3.upload_part

        def forgetful(**words: Any) -> Any:  # as S3 answers; moto does not
            if words["UploadId"] == "gone":
                raise world.s3.exceptions.NoSuchUpload({"Error": {}}, "UploadPart")
            return upload_part(**words)

        monkeypatch.setattr(world.s3, "upload_part", forgetful)
        assert CsvWriter(world.results).export(run, 1, gone, lambda: False) is None
        assert world.results.read(run.csv).count(b"\r\n") == 7

    def test_that_runs_out_of_time_is_finished_by_the_next_invocation(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One file an invocation: S3 (and moto) want 5 MB a part, but not of the last."""
        invocations = []

        def one_part(
            self: CsvWriter, run: Run, version: int, earlier: Progress | None, late: object
        ) -> Progress | None:
            invocations.append(earlier)
            return None if earlier else Progress(run.batch, run.number, version, "upload", 1, 1)

        monkeypatch.setattr(CsvWriter, "export", one_part)
        world.upload("spring/1.jpg")
        world.pump()
        assert world.record("spring").state == State.DONE
        assert invocations == [None, Progress("spring", 1, 1, "upload", 1, 1)]
