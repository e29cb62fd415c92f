"""The job as it is submitted, on a Spark cluster: two workers on loopback, executors in processes
of their own, with a Python like that of EMR's image and the archive alone."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path

import pyspark
import pytest

from cli.deploying.build import build_environment, build_job
from cli.on_this_machine.home import home
from darkroom import manifest
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.run.folder import walk_folder
from darkroom.run.receipt import Receipt
from darkroom.storage.local import LocalStore
from functions.aws.settings import SubmitSettings, read_settings
from functions.submission.job_runs import spark_parameters
from local_cloud.spark.java import java_home
from tests.conftest import jpeg
from tests.functions.cloud.resources import NO_QUEUES, environment
from tests.waiting import PATIENCE_SECONDS, until

pytestmark = [pytest.mark.long, pytest.mark.own_cloud]  # beside those that mostly wait

RUNS = {"spring": 150, "autumn": 90}
_OF_THE_IMAGE = ("numpy", "pandas", "pyarrow", "python-dateutil", "pytz", "six", "tzdata",
                 "pyspark", "py4j")  # fmt: skip
_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"


@dataclass(frozen=True)
class Cluster:
    """Where it is, and its workers' processes."""

    url: str
    workers: list[subprocess.Popen[bytes]]
    env: dict[str, str]
    python: Path


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, model_file: Path) -> Path:
    """What a deployment uploads."""
    folder = tmp_path_factory.mktemp("job")
    built = build_job(folder, model_file, build_environment(folder, "X86_64"))
    for name, path in built.files.items():
        if path != folder / name:
            (folder / name).symlink_to(path)
    return folder


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    image = tmp_path / "image"
    venv.create(image, with_pip=False)
    packages = image / "packages"
    packages.mkdir()
    for name in _OF_THE_IMAGE:
        tops = {path.parts[0] for path in files(name) or () if path.parts[0] != ".."}
        for top in tops - {"__pycache__"}:
            (packages / top).symlink_to(Path(pyspark.__file__).parents[1] / top)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SPARK_LOCAL_IP": "127.0.0.1",
           "JAVA_HOME": str(java_home(home())), "PYTHONPATH": str(packages)}  # fmt: skip
    with ExitStack() as stack:
        log = tmp_path / "master.log"
        stack.enter_context(_started("master.Master", log, env, "--port", "0"))
        url = until(lambda: re.search(r"spark://127\.0\.0\.1:\d+", log.read_text()))[0]
        workers = [
            stack.enter_context(
                _started("worker.Worker", tmp_path / f"worker-{n}.log", env, "--cores", "1",
                         "--memory", "2g", "--work-dir", str(tmp_path / f"worker-{n}"), url)
            )
            for n in range(2)
        ]  # fmt: skip
        yield Cluster(url, workers, env, image / "bin" / "python")


@contextmanager
def _started(
    what: str, log: Path, env: dict[str, str], *words: str
) -> Iterator[subprocess.Popen[bytes]]:
    command = [_CLASS, f"org.apache.spark.deploy.{what}", "--host", "127.0.0.1",
               "--webui-port", "0", *words]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def results(tmp_path: Path) -> LocalStore:
    """Two runs that are closed."""
    store, first = LocalStore(tmp_path / "out"), 0
    for batch, count in RUNS.items():
        folder = tmp_path / "pictures" / batch
        folder.mkdir(parents=True)
        for seed in range(first, first + count):
            (folder / f"{seed}.jpg").write_bytes(jpeg(seed))
        (folder / "bad.jpg").write_bytes(b"")
        packed = manifest.pack(walk_folder(folder))
        store.write(f"{Run(batch, 1).manifest}/part-00000.jsonl.gz", packed)
        first += 1000
    return store


@contextmanager
def submitted(
    cluster: Cluster, job: Path, results: LocalStore, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    settings = read_settings(SubmitSettings, environment("app", NO_QUEUES, "", ""))
    parameters = spark_parameters(settings).replace(settings.job_uri, str(job)).split()
    words = [w for w in parameters if not re.match("spark.(emr-serverless|dynamicAlloc)", w)]
    words = [w for n, w in enumerate(words) if w != "--conf" or words[n + 1].startswith("spark.")]
    conf = {
        "spark.executor.cores": "1", "spark.executor.memory": "1g", "spark.driver.memory": "1g",
        "spark.executorEnv.PYSPARK_PYTHON": str(cluster.python),
        "spark.executorEnv.PYTHONPATH": f"./environment:{cluster.env['PYTHONPATH']}",
        "spark.pyspark.python": str(cluster.python), "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
    }  # fmt: skip
    command = [_CLASS.parent / "spark-submit", "--master", cluster.url, *words]
    command += [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    command += [job / "main.py", *(f"--run-of={batch}/1" for batch in RUNS),
                f"--output={results.uri}", f"--model={job / 'mobilenet_v2.onnx'}"]  # fmt: skip
    here = f"{job / 'environment-x86_64'}:{cluster.env['PYTHONPATH']}"
    env = {**cluster.env, "PYTHONPATH": here, "PYSPARK_DRIVER_PYTHON": str(cluster.python)}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, cwd=log.parent)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def executors(cluster: Cluster) -> list[int]:
    """The processes of executors, by the worker that has them."""
    mine = {worker.pid for worker in cluster.workers}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if b"CoarseGrainedExecutorBackend" in words and parent in mine:
            found.append(int(process.name))
    return found


def kill_an_executor(cluster: Cluster) -> None:
    os.kill(executors(cluster)[0], signal.SIGKILL)


def lose_a_worker(cluster: Cluster) -> None:
    os.killpg(cluster.workers[0].pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "disturb", [kill_an_executor, lose_a_worker],
    ids=["an-executor-is-killed", "a-worker-is-lost-for-good"],
)  # fmt: skip
def test_runs_are_done_and_balance(
    disturb: Callable[[Cluster], None],
    cluster: Cluster,
    job: Path,
    results: LocalStore,
    tmp_path: Path,
) -> None:
    log = tmp_path / "job.log"
    with submitted(cluster, job, results, log) as driver:
        until(lambda: results.list("Results") or driver.poll() is not None)
        disturb(cluster)
        code = driver.wait(timeout=PATIENCE_SECONDS)
    assert code == 0, log.read_text()[-4000:]
    for batch, count in RUNS.items():
        account: Receipt = receipt.unpack(results.read(Run(batch, 1).receipt))
        assert account.balanced
        assert (account.processed, account.rejected) == (count, 1)
        assert account.pca is not None
        assert account.pca.version == 1
