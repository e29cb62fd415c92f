"""The CSV of a run: written in parts, and gone on with."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from darkroom.errors import ConflictError, TransientError
from darkroom.layout import Run
from darkroom.storage.parquet import COMPONENTS, PCA_SCHEMA, to_parquet
from functions.publication.csv_writer import CsvWriter, Progress
from functions.runs.records import State
from tests.functions.cloud.clients import losing
from tests.functions.cloud.world import World


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

    def test_is_written_once_where_the_last_answer_is_lost(self, world: World) -> None:
        run = self.coordinates(world, 1, 3)
        with losing("CompleteMultipartUpload"):
            assert CsvWriter(world.results).export(run, 1, None, lambda: False) is None
        assert world.results.read(run.csv).count(b"\r\n") == 4

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
        with pytest.raises(ConflictError, match="another invocation has written it"):
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

    def test_those_of_many_runs_take_as_many_invocations_as_they_need(self, world: World) -> None:
        """After a refit, all runs' CSVs: an invocation that has time for one does one."""
        for number in range(4):
            world.upload(f"batch-{number}/1.jpg")
        world.pump()
        world.pca_version = 2
        world.upload("spring/1.jpg")
        for queue in ("uploads", "submit"):
            world.deliver(queue)
        world.finish_jobs()
        world.context.milliseconds = 50_000
        invocations, before = 0, world.calls.count("CreateMultipartUpload")
        while world.record("spring").state != State.DONE:
            assert world.deliver("catalog")
            invocations += 1
        assert world.calls.count("CreateMultipartUpload") - before == 5
        assert invocations <= 5
        writer = CsvWriter(world.results)
        runs = [record.key for record in world.runs.every()]
        assert {writer.present(run).version for run in runs} == {2}

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
