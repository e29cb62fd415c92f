"""The job with the real `spark-submit`, as EMR Serverless would start it, on this machine's cores.

What EMR's image brings and this machine has anyway is left out: the executors' archive (the local
environment has the same packages) and settings of workers. Files at `s3://` that Spark itself needs
(entry point, zip) are fetched first; the job reads and writes `s3://` by itself.
"""

from __future__ import annotations

import gzip
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pyspark

from local_cloud.emr.jobs import Job, Outcome
from local_cloud.spark.java import java_home
from local_cloud.spark.session import local_conf

_LEFT_OUT = ("spark.emr-serverless.", "spark.executorEnv.", "spark.dynamicAllocation.",
             "spark.executor.")  # fmt: skip
_LOOK_SECONDS = 0.2
LOG_SECONDS = 10.0
_TIMED_OUT = "Job execution timed out"


@dataclass
class SparkSubmit:
    """Runs jobs, each with its role: `keys_of_role` gives the environment for a role's ARN. `home`
    is the cache of what Darkroom builds once."""

    keys_of_role: Callable[[str], Mapping[str, str]]
    folder: Path
    home: Path
    cores: int
    endpoint: str
    region: str
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, job: Job) -> Outcome:
        """See `JobRunner`."""
        folder = self.folder / job["jobRunId"]
        folder.mkdir(parents=True, exist_ok=True)
        _end_leftover(folder / "pid", job["jobRunId"])
        command = self._command(job, folder, self._s3(job))
        started = time.monotonic()
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=self._environment(job, folder),
                start_new_session=True,
            )
        (folder / "pid").write_text(str(process.pid))
        self._running[job["jobRunId"]] = process
        details = self._wait(job, process, folder)
        del self._running[job["jobRunId"]]
        self._put_logs(job, folder)
        return Outcome(time.monotonic() - started, details, details == _TIMED_OUT)

    def stop(self, job_run_id: str) -> None:
        """See `JobRunner`."""
        process = self._running.get(job_run_id)
        if process is not None:
            os.killpg(process.pid, 15)

    def _wait(self, job: Job, process: subprocess.Popen[bytes], folder: Path) -> str:
        """Wait for the end, showing the log meanwhile; why it failed, or ''."""
        limit = time.monotonic() + job["executionTimeoutMinutes"] * 60
        shown = time.monotonic()
        while process.poll() is None:
            time.sleep(_LOOK_SECONDS)
            if time.monotonic() - shown > LOG_SECONDS:
                self._put_logs(job, folder)
                shown = time.monotonic()
            if time.monotonic() > limit:
                os.killpg(process.pid, 15)
                process.wait()
                return _TIMED_OUT
        if process.returncode == 0:
            return ""
        last = (folder / "stderr").read_bytes()[-300:].decode(errors="replace")
        return f"Job failed, please check complete logs. exit code {process.returncode}: {last}"

    def _command(self, job: Job, folder: Path, s3: Any) -> list[str]:
        driver = job["jobDriver"]["sparkSubmit"]
        words = shlex.split(driver.get("sparkSubmitParameters", ""))
        options: list[str] = []
        for name, value in zip(words[::2], words[1::2], strict=True):
            if name == "--archives" or value.startswith(_LEFT_OUT):
                continue
            if name == "--py-files":
                value = ",".join(_fetch(s3, uri, folder) for uri in value.split(","))
            options += [name, value]
        for name, value in local_conf(self.cores, self.home).items():
            options += ["--conf", f"{name}={value}"]
        submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
        entry = _fetch(s3, driver["entryPoint"], folder)
        arguments = driver.get("entryPointArguments", [])
        return [str(submit), "--name", job["jobRunId"], *options, entry, *arguments]

    def _s3(self, job: Job) -> Any:
        """EMR Serverless fetches the job and writes its logs with the job's role, too."""
        keys = self.keys_of_role(job["executionRole"])
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name=self.region,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip

    def _environment(self, job: Job, folder: Path) -> dict[str, str]:
        foreign = ("SPARK_HOME", "PYSPARK_SUBMIT_ARGS", "PYTHONPATH", "PYTHONWARNINGS")
        inherited = {name: value for name, value in os.environ.items() if name not in foreign}
        return {
            **inherited,
            **self.keys_of_role(job["executionRole"]),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "JAVA_HOME": str(java_home(self.home)),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_CONF_DIR": str(folder),
            "SPARK_LOCAL_DIRS": str(folder / "spark"),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }

    def _put_logs(self, job: Job, folder: Path) -> None:
        monitoring = job["configurationOverrides"].get("monitoringConfiguration", {})
        uri = monitoring.get("s3MonitoringConfiguration", {}).get("logUri")
        if not uri:
            return
        parts = urlsplit(uri)
        place = f"applications/{job['applicationId']}/jobs/{job['jobRunId']}/SPARK_DRIVER"
        s3 = self._s3(job)
        for name in ("stdout", "stderr"):
            s3.put_object(
                Bucket=parts.netloc,
                Key=f"{parts.path.strip('/')}/{place}/{name}.gz",
                Body=gzip.compress((folder / name).read_bytes()),
            )


def _fetch(s3: Any, uri: str, folder: Path) -> str:
    parts = urlsplit(uri)
    target = folder / Path(parts.path).name
    s3.download_file(parts.netloc, parts.path.lstrip("/"), str(target))
    return str(target)


def _end_leftover(pid_file: Path, job_run_id: str) -> None:
    """End the process that an earlier local cloud left running for this job, if it still does."""
    if not pid_file.is_file():
        return
    pid = int(pid_file.read_text())
    asked = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    if job_run_id in asked.stdout:
        os.killpg(pid, 9)
    pid_file.unlink()
