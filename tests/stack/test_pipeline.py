"""The whole stack on this machine: template.yaml, the handlers, the real job, real HTTP clients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import boto3
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from benchmarks.traces import digest, traces
from cli.deploying.destroy import destroy
from cli.deploying.locally import deploy_locally
from cli.on_stack.put import put_bytes, put_folder
from cli.on_stack.stack import Stack, open_stack
from cli.on_stack.status import chosen
from cli.on_this_machine.home import home
from darkroom.errors import UsageError
from darkroom.layout import ERASURES, Run
from functions.runs.records import FINISHED, RunRecord, State
from local_cloud import control
from tests.conftest import jpeg
from tests.project import template
from tests.stack.local_stack import aws, darkroom
from tests.waiting import finished, in_state, states, until


def test_two_batches_at_once_then_a_top_up(
    stack: Stack, photos: Callable[..., Path], tmp_path: Path
) -> None:
    spring, autumn = photos(20), photos(10, "autumn", first=300)
    (spring / "apple" / "broken.jpg").write_bytes(b"\xff\xd8\xffno picture")
    (spring / "notes.txt").write_text("no image")
    aws(
        "s3",
        "cp",
        "--recursive",
        "--only-show-errors",
        str(spring),
        f"s3://{stack.uploads}/spring/",
    )
    put_folder(stack, autumn, "autumn", ready=True)
    first, second = worked(stack, "spring", 22), worked(stack, "autumn", 10)
    assert (total(first, "processed"), total(first, "rejected")) == (20, 1)
    assert total(second, "processed") == second[-1].expected == 10
    assert first[-1].closed_because == "quiet for 3 s"
    assert all(record.cost for record in first)

    sent = darkroom("put", str(spring), "--batch", "spring", "--ready")
    assert "0 files sent to batch spring, 22 were there already" in sent.stdout
    assert "nothing is new" in sent.stdout
    dangling = tmp_path / "links" / "gone.jpg"
    dangling.parent.mkdir()
    dangling.symlink_to("nowhere")
    refused = darkroom("put", str(dangling.parent), "--batch", "links", "--ready")
    assert refused.returncode == 1
    assert "not marked as ready: gone.jpg (No such file or directory)" in refused.stderr
    put_bytes(stack, "spring/new/Pêche plate/100.jpg", jpeg(100))
    top_up = worked(stack, "spring", 23)[-1]
    assert (top_up.processed, top_up.rejected) == (1, 0)

    ours = [record for record in stack.runs.every() if record.batch in ("spring", "autumn")]
    runs = {(record.batch, str(record.run)) for record in ours}
    glue = boto3.client("glue")
    found = glue.get_partitions(DatabaseName="darkroom_test", TableName="features")["Partitions"]
    assert runs <= {tuple(partition["Values"]) for partition in found}
    view = glue.get_table(DatabaseName="darkroom_test", Name="features_pca")["Table"]
    version = int(view["Parameters"]["pca_version"])
    out = tmp_path / "out"
    assert darkroom("get", "spring", "--out", str(out)).returncode == 0
    coordinates = pq.read_table(out / f"Results_PCA/model={version}/batch=spring").num_rows
    assert coordinates == 21
    exports = list((out / "Results_CSV/spring").iterdir())
    lines = sum(len(export.read_bytes().split(b"\r\n")) for export in exports)
    assert lines == 21 + 2 * len(exports)  # a header, and an end of line
    assert "outcome" in darkroom("logs", "spring", "--run", "1").stdout
    told = json.loads(darkroom("status", "--json").stdout)
    assert {r["state"] for r in told if r["batch"] in ("spring", "autumn")} == {"DONE"}


def worked(stack: Stack, batch: str, files: int) -> list[RunRecord]:
    """The batch's runs when they are done and have had so many files: on a busy machine uploads are
    slower than the quiet period, and a batch is closed in between."""

    def all_done() -> list[RunRecord]:
        records = list(stack.runs.of_batch(batch))
        done = all(record.state in FINISHED for record in records)
        return records if done and total(records, "images") >= files else []

    records = until(all_done, lambda: states(stack))
    assert {record.state for record in records} == {State.DONE}
    assert total(records, "images") == files
    return records


def total(records: list[RunRecord], name: str) -> int:
    return sum(getattr(record, name) or 0 for record in records)


@pytest.mark.long
def test_a_run_takes_its_images_as_they_were_when_it_was_sealed(
    stack: Stack, photos: Callable[..., Path]
) -> None:
    """One that was overwritten since is read in the version that was uploaded, one that was deleted
    is missing; what an earlier attempt has left is gone. All that while another job runs."""
    put_folder(stack, photos(40, "first"), "first", ready=True)
    in_state(stack, "first", State.RUNNING)
    put_folder(stack, photos(3, "later"), "later", ready=True)
    in_state(stack, "later", State.SUBMITTED)
    names = sorted(k for k in _keys(stack, "later/") if k.endswith(".jpg"))
    put_bytes(stack, names[0], b"no picture any more")
    stack.s3.delete_object(Bucket=stack.uploads, Key=names[1])
    stale = f"{Run('later', 1).results_pca(1)}/part-00099.parquet"
    stack.results.write(stale, b"of an earlier attempt")
    record = finished(stack, "later", 1)
    assert (record.processed, record.rejected, record.missing) == (2, 0, 1)
    assert stale not in stack.results.list(Run("later", 1).results_pca(1))


def _keys(stack: Stack, prefix: str) -> list[str]:
    listed = stack.s3.list_objects_v2(Bucket=stack.uploads, Prefix=prefix)["Contents"]
    return [item["Key"] for item in listed]


def test_the_apis_links_lead_to_the_files(stack: Stack, cloud_folder: Path) -> None:
    """Signed by the API's role, which is asked when they are followed."""
    page = control.require(cloud_folder / "state").page
    files = []
    for record in stack.runs.of_batch("spring"):
        with urlopen(f"{page}/api/batches/spring/runs/{record.run}/files") as answer:
            files += json.loads(answer.read())["files"]
    kinds = {"receipt", "csv", "features", "coordinates", "rejected", "skipped"}
    assert {file["kind"] for file in files} == kinds
    for file in files:
        with urlopen(file["url"]) as answer:
            assert answer.read() == stack.results.read(file["key"])


@pytest.mark.long
def test_bad_batches_end_with_a_reason_for_each_image(stack: Stack) -> None:
    put_bytes(stack, "bad/a/1.jpg", b"")
    put_bytes(stack, "bad/a/2.jpg", b"text")
    put_bytes(stack, "empty/_READY", b"")
    put_bytes(stack, "short/1.jpg", jpeg(1))
    put_bytes(stack, "short/_READY", b'{"images": 3}')
    bad, empty = finished(stack, "bad"), finished(stack, "empty")
    assert (bad.state, bad.processed, bad.rejected) == (State.DONE, 0, 2)
    assert (empty.state, empty.images, empty.job_run_id) == (State.DONE, 0, "")
    waiting = chosen(stack, "short", None)
    assert (waiting.state, waiting.uploads, waiting.expected) == (State.OPEN, 1, 3)

    assert darkroom("status", "bad", "--watch").returncode == 0
    assert "no finished run: waiting: 1 files" in darkroom("get", "short", "--out", "x").stderr

    again = darkroom("retry", "empty", "--rejected")
    assert again.returncode == 2
    assert "rejected nothing" in again.stderr


def test_an_erased_image_is_nowhere(stack: Stack, cloud_folder: Path) -> None:
    """`test_erasure_pipeline.py` has the rest: versions, copies, open runs."""
    key, content = "autumn/apple/301.jpg", digest(jpeg(301))
    state = cloud_folder / "state"
    assert traces(state, [key, content])
    erased = darkroom("erase", "--key", key, "--yes", "--why", "case 7")
    assert erased.returncode == 0, erased.stderr
    assert traces(state, [key, content]) == []
    number = str(next(iter(stack.runs.of_batch(ERASURES))).requests[0]["id"])
    assert "1 files erased" in darkroom("verify", number).stdout


@pytest.mark.long
def test_killed_processes_are_made_good(
    stack: Stack, cloud_folder: Path, photos: Callable[..., Path]
) -> None:
    """`kill -9` of Spark and of every function's process, while the job of two runs, which were
    closed during another, is at work and an erasure waits for it."""
    both = ("killed", "killed too")
    put_folder(stack, photos(40, "before", first=900), "before", ready=True)
    in_state(stack, "before", State.RUNNING)
    for number, batch in enumerate(both):
        put_folder(stack, photos(12, batch, first=700 + 50 * number), batch, ready=True)
    in_state(stack, "killed", State.RUNNING)
    key = next(key for key in _keys(stack, "killed/") if key.endswith("/700.jpg"))
    assert darkroom("erase", "--key", key, "--yes", "--no-wait", "--why", "case 10").returncode == 0
    pid = cloud_folder / "state" / "jobs" / chosen(stack, "killed", None).job_run_id / "pid"
    until(lambda: pid.is_file() and pid.read_text())
    spark = int(pid.read_text())
    functions = children(control.require(cloud_folder / "state").pid) - {spark}
    assert functions
    for function in functions:
        os.kill(function, signal.SIGKILL)
    os.killpg(spark, signal.SIGKILL)
    for batch in both:
        done = finished(stack, batch)
        assert done.state == State.DONE
        assert len(stack.results.list(Run(batch, 1).results)) == 1
    erasure = list(stack.runs.of_batch(ERASURES))[-1]
    assert finished(stack, ERASURES, erasure.run).state == State.DONE
    assert traces(cloud_folder / "state", [key, digest(jpeg(700))]) == []


def children(pid: int) -> set[int]:
    asked = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return set(map(int, asked.stdout.split()))


def test_the_port_stays_as_addresses_in_the_state_name_it(stack: Stack, cloud_folder: Path) -> None:
    assert stack.outputs["SubmitQueueUrl"].startswith(
        control.require(cloud_folder / "state").endpoint
    )
    with pytest.raises(UsageError, match="leave out --port"):
        control.start(cloud_folder / "state", home(), 1, 2)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-2"])
def test_the_templates_rule_is_enforced(stack: Stack, region: str) -> None:
    resources = {"Topic": {"Type": "AWS::SNS::Topic"}}
    small = json.dumps({"Rules": template()["Rules"], "Resources": resources})
    elsewhere = boto3.client("cloudformation", region_name=region)
    with pytest.raises(ClientError, match="in the EU alone"):
        elsewhere.create_stack(StackName="elsewhere", TemplateBody=small)
    here = boto3.client("cloudformation")
    here.create_stack(StackName="here", TemplateBody=small)
    here.delete_stack(StackName="here")


def test_the_queue_service_fills_batches(stack: Stack) -> None:
    """What `ministack_fixes.fill_batches` is for: 40 uploads make few invocations, not 40."""
    put_bytes(stack, "many/_READY", b'{"images": 1000}')  # stays open: no job is needed
    for number in range(40):
        put_bytes(stack, f"many/{number}.jpg", jpeg(number % 3))
    until(lambda: _uploads(stack, "many") >= 40, lambda: _uploads(stack, "many"))
    assert len(stack.results.list("incoming/many")) <= 3


def _uploads(stack: Stack, batch: str) -> int:
    record = stack.runs.latest(batch)
    return record.uploads if record else 0


@pytest.mark.long
def test_a_stack_can_be_brought_up_to_date_and_taken_away(stack: Stack, cloud_folder: Path) -> None:
    cloud, model = (
        control.LocalCloud(0, 0, control.REGION),
        cloud_folder / "model" / "mobilenet_v2.onnx",
    )
    passing = deploy_locally("darkroom-passing", cloud, model, quiet_seconds=30)
    deploy_locally("darkroom-passing", cloud, model, quiet_seconds=40)
    assert open_stack("darkroom-passing").closing_rules.quiet_seconds == 40
    put_bytes(passing, "spring/1.jpg", jpeg(1))
    destroy("darkroom-passing", control.REGION, delete_data=True)
    with pytest.raises(UsageError, match="there is no stack 'darkroom-passing'"):
        open_stack("darkroom-passing")
    buckets = {bucket["Name"] for bucket in stack.s3.list_buckets()["Buckets"]}
    assert not any(name.startswith("darkroom-passing") for name in buckets)
    assert stack.uploads in buckets
