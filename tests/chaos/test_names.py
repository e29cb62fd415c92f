"""Names that a job's arguments, a terminal or an address cannot carry."""

from __future__ import annotations

import ast
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from benchmarks.browser import CHROMIUM, NEEDS_CHROMIUM, chromium
from cli.on_stack.put import put_bytes
from cli.on_stack.stack import Stack
from darkroom.erasure.uploads import Uploads
from darkroom.errors import UsageError
from darkroom.layout import Run, run_in
from darkroom.printable import printable, printable_json, printable_text
from darkroom.storage.local import LocalStore
from emr_serverless_job import main
from functions.aws.settings import SubmitSettings, read_settings
from functions.runs.records import State
from functions.submission.job_runs import JobRuns
from functions.web.gateway import caller
from local_cloud import control
from tests.browser import open_page
from tests.conftest import jpeg
from tests.functions.cloud.job import job_of
from tests.functions.cloud.resources import NO_QUEUES, environment
from tests.project import ROOT
from tests.stack.local_stack import darkroom
from tests.waiting import PATIENCE_SECONDS, finished

HOSTILE = {
    "nul": "a\0b", "line": "a\nb", "escape": "a\x1b[2Jb", "quotes": "a'\" b", "accents": "Pêche 🍑",
    "percent": "100%25", "dollar": "$HOME `x` \\", "dash": "--erase", "turned": "a\u202ejpg",
    "space": " a ", "c1": "a\x9bb",
}  # fmt: skip
_WORKED = tuple(HOSTILE) if os.environ.get("DARKROOM_ALL_CHAOS") else ("nul", "escape", "turned")
named = pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)


@named
def test_a_job_is_told_of_any_batch_in_plain_letters(name: str) -> None:
    known = environment("app", NO_QUEUES, "", "")
    emr = MagicMock()
    JobRuns(emr, read_settings(SubmitSettings, known)).start_runs(job_of(name, 7))
    sent = emr.start_job_run.call_args.kwargs
    words = [*sent["jobDriver"]["sparkSubmit"]["entryPointArguments"], sent["name"]]
    assert all(word.isascii() and word.isprintable() and " " not in word for word in words)
    options = main._parser().parse_args(words[:-1])
    assert options.run_of == [(Run(name, 7), None)] == [(run_in(Run(name, 7).in_ascii), None)]


@pytest.mark.long
def test_batches_of_any_name_are_worked_to_their_end(stack: Stack) -> None:
    batches = [HOSTILE[name] for name in _WORKED]
    for name in batches:
        put_bytes(stack, f"{name}/1.jpg", jpeg(1))
    told = {name: finished(stack, name) for name in batches}
    ended = {name: (record.state, record.reason) for name, record in told.items()}
    assert {name: end for name, end in ended.items() if end[0] != State.DONE} == {}
    assert {record.processed for record in told.values()} == {1}
    shown = darkroom("status").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert r"a\x1b[2Jb, run 1: done" in shown
    known = {run["batch"] for run in json.loads(darkroom("status", "--json").stdout)}
    assert set(batches) <= known


def test_an_unfinished_export_of_any_batch_is_taken_back(stack: Stack) -> None:
    """As an erasure does, which cannot end before."""
    exports = Uploads(stack.results.s3, stack.results.name)
    for name in ("a+b", *HOSTILE.values()):
        stack.results.s3.create_multipart_upload(Bucket=exports.bucket, Key=Run(name, 1).csv)
    assert exports.abort(list(exports.unfinished())) == []
    assert list(exports.unfinished()) == []


@named
def test_names_come_out_as_plain_text(name: str) -> None:
    shown = printable(name)
    assert shown.isprintable()
    text = printable_text(f"one {name}\ntwo")
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    told = json.dumps({"name": name}, ensure_ascii=False)
    assert json.loads(printable_json(told)) == {"name": name}
    assert printable_json(told).isprintable()


def test_the_command_speaks_by_one_mouth() -> None:
    """Nothing in `cli` writes to the terminal but by `say`, which spells out what is not text."""
    found = []
    for path in (ROOT / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            spelled = ast.unparse(called) if called else ""
            if spelled in ("click.echo", "click.secho", "print", "sys.stdout.write",
                           "sys.stderr.write", "sys.stdout.writelines"):  # fmt: skip
                found.append((path.name, spelled))
    allowed = {("say.py", "click.echo"), ("start.py", "print"), ("progress.py", "print")}
    assert set(found) == allowed


@pytest.mark.parametrize(
    "authorizer", [None, "x", 5, [], {"iam": "x"}, {"jwt": []}, {"jwt": {"claims": "sub"}},
                   {"jwt": {"claims": {"sub": 5}}}, {"iam": {"userArn": ["x"]}}],
    ids=["none", "text", "number", "list", "iam-text", "jwt-list", "claims-text", "sub-number",
         "arn-list"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/batches", "/programs/api/batches"])
def test_authorizers_of_wrong_types_are_nobody(authorizer: Any, path: str) -> None:
    event = {"rawPath": path, "requestContext": {"authorizer": authorizer}}
    assert caller(event) is None


@pytest.mark.skipif(not CHROMIUM, reason=NEEDS_CHROMIUM)
def test_a_broken_address_in_the_page_is_no_batch(cloud: control.LocalCloud) -> None:
    complaints: list[str] = []
    with chromium() as browser:
        page = open_page(browser, locale="en-GB")
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{cloud.page}/#/%E0%A4%A")
        page.get_by_text("There is no batch of this name").wait_for()
    assert complaints == []


def command(*words: object, **options: Any) -> subprocess.Popen[str]:
    spelled = [sys.executable, "-m", "cli.start", *map(str, words)]
    return subprocess.Popen(
        spelled, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.6])
def test_ctrl_c_in_the_first_second_is_one_line(
    photos: Callable[..., Path], tmp_path: Path, model_file: Path, seconds: float
) -> None:
    """Whenever it comes: before the command is there, the interpreter alone answers."""
    begun = command("run", photos(3), "--out", tmp_path / "out", "--model", model_file)
    time.sleep(seconds)
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=PATIENCE_SECONDS)
    assert "/cli/" not in said, said  # in no traceback of ours


def test_two_starts_of_a_local_cloud_at_once_give_one(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from local_cloud import control;"
        f"here = Path({str(tmp_path)!r}); print(control.start(here / 'state', here, None, 1).pid)"
    )
    both = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]  # fmt: skip
    told = [process.communicate(timeout=PATIENCE_SECONDS) for process in both]
    try:
        assert [process.returncode for process in both] == [0, 0], told
        assert len({out.strip() for out, _ in told}) == 1
    finally:
        os.kill(control.require(tmp_path / "state").pid, signal.SIGTERM)


def test_a_folder_that_cannot_be_written_is_one_line(
    photos: Callable[..., Path], tmp_path: Path, model_file: Path
) -> None:
    """On a disk that is mounted to be read alone."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        if os.geteuid() == 0:
            pytest.skip("no disk may be mounted here")
        place.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        words = ("run", photos(1), "--out", place / "out", "--model", model_file)
        process = command(*words)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)
    assert process.returncode == 2
    assert said.startswith(f"darkroom: cannot write to {place / 'out'}: ")
    assert said.count("\n") == 1


def test_what_a_killed_run_left_half_written_is_cleared_by_the_next(
    photos: Callable[..., Path], tmp_path: Path, model_file: Path
) -> None:
    out = tmp_path / "out"
    left = out / "Results" / "batch=spring" / "run=1" / f".{'0' * 32}.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert LocalStore(out).list("Results") == []
    process = command("run", photos(2), "--out", out, "--model", model_file)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert list(out.rglob("*.partial")) == []


@pytest.mark.parametrize("what", ["certificate", "list"])
def test_deep_json_is_refused_not_raised(tmp_path: Path, what: str) -> None:
    from cli.on_stack.erase import read_list
    from darkroom.erasure import certificate

    deep = "[" * 200_000
    if what == "certificate":
        with pytest.raises(UsageError, match="no erasure certificate"):
            certificate.unpack(deep.encode())
    else:
        (tmp_path / "keys").write_text(deep)
        with pytest.raises(UsageError, match="nested too deeply"):
            read_list(tmp_path / "keys")
