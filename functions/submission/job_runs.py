"""Starting the Spark job on EMR Serverless."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from darkroom.layout import Run
from functions.aws.settings import SubmitSettings
from functions.runs.records import RunRecord

PYTHON = "/usr/bin/python3.11"  # of the image's three the one that the archive is built for
_DRIVER_CORES = 2
_WORKER_CORES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class JobRuns:
    """Starts jobs. `emr` is a boto3 client."""

    emr: Any
    settings: SubmitSettings

    def start_erasure(self, record: RunRecord) -> str:
        """Start an erasure's attempt, once per client token; the id of its job run."""
        name = f"erasure-{record.run}-attempt-{record.attempt}"
        role, arguments = self.settings.erasure_role_arn, _erasure_arguments(record, self.settings)
        return self._start(name, record.client_token, role, arguments, record.images or 0)

    def start_runs(self, job: RunRecord) -> str:
        """Start the job of several runs, the members of its record, likewise."""
        role, arguments = self.settings.job_role_arn, _arguments(job, self.settings)
        return self._start(_job_name(job), job.client_token, role, arguments, job.images or 0)

    def _start(self, name: str, token: str, role: str, arguments: list[str], images: int) -> str:
        settings = self.settings
        answer = self.emr.start_job_run(
            applicationId=settings.application_id,
            clientToken=token,
            executionRoleArn=role,
            executionTimeoutMinutes=settings.job_timeout_minutes * _hundred_thousands(images),
            name=name,
            jobDriver={
                "sparkSubmit": {
                    "entryPoint": f"{settings.job_uri}/main.py",
                    "entryPointArguments": arguments,
                    "sparkSubmitParameters": spark_parameters(settings),
                }
            },
            configurationOverrides={
                "monitoringConfiguration": {
                    "managedPersistenceMonitoringConfiguration": {"enabled": False},
                    "s3MonitoringConfiguration": {"logUri": settings.log_uri},
                }
            },
        )
        return str(answer["jobRunId"])


def _job_name(job: RunRecord) -> str:
    """What people read in EMR's list: the run's name, or how many there are."""
    first, *others = job.members
    readable = re.sub(r"[^A-Za-z0-9._/#-]", "_", str(first["batch"]))[:40]
    name = f"{readable}-run-{first['run']}-attempt-{first['attempt']}"
    return f"{name}-and-{len(others)}-more" if others else name


def _hundred_thousands(images: int) -> int:
    """By how much the time limit of a small job grows: it is for a hundred thousand images."""
    return max(1, -(-images // 100_000))


def _arguments(job: RunRecord, settings: SubmitSettings) -> list[str]:
    arguments = {
        "--output": f"s3://{settings.results_bucket}",
        "--model": f"{settings.job_uri}/mobilenet_v2.onnx",
        "--max-bytes": str(settings.max_image_bytes),
        "--max-pixels": str(settings.max_image_pixels),
    }
    switched = ["--no-thumbnails"] if settings.thumbnails == "off" else []
    switched += ["--exact-decode"] if settings.exact_decode == "on" else []
    named = [f"{name}={value}" for name, value in arguments.items()]
    runs = map(_run_argument, job.member_runs, job.members)
    return [*runs, *named, *switched]


def _run_argument(run: Run, member: Mapping[str, Any]) -> str:
    """A run, and how many files were announced."""
    expected = f"={member['expected']}" if "expected" in member else ""
    return f"--run-of={run.in_ascii}{expected}"


def _erasure_arguments(record: RunRecord, settings: SubmitSettings) -> list[str]:
    arguments = {
        "--run": str(record.run),
        "--requests": ",".join(str(request["id"]) for request in record.requests),
        "--output": f"s3://{settings.results_bucket}",
        "--uploads": f"s3://{settings.uploads_bucket}",
        "--logs": settings.log_uri,
    }
    return ["--erase", *(f"{name}={value}" for name, value in arguments.items())]


def worker_conf(max_vcpu: int, executor_cores: int) -> dict[str, int | str]:
    """The workers of a job: what of `max_vcpu` the driver leaves, in executors of at most
    `executor_cores`.

    One Python worker a core: each holds a model session, some 350 MB, and the images that it
    reads ahead; the heap holds little. Workers of EMR Serverless need 2 to 8 GB per vCPU, heap and
    overhead together. The driver's overhead is for the manifest, 1.6 GB for a million images.
    """
    left = max_vcpu - _DRIVER_CORES
    cores = max(size for size in _WORKER_CORES if size <= min(executor_cores, left))
    executors, heap = left // cores, max(cores // 2, 1)
    return {
        "spark.executor.cores": cores,
        "spark.executor.memory": f"{heap}g",
        "spark.executor.memoryOverhead": f"{max(2 * cores - heap, 2)}g",
        "spark.driver.cores": _DRIVER_CORES,
        "spark.driver.memory": "4g",
        "spark.driver.memoryOverhead": "8g",
        "spark.dynamicAllocation.initialExecutors": min(executors, 3),
        "spark.dynamicAllocation.maxExecutors": executors,
    }


def spark_parameters(settings: SubmitSettings) -> str:
    """`sparkSubmitParameters`: the job's code, its workers, and their environment."""
    conf = worker_conf(settings.max_vcpu, settings.executor_cores)
    conf["spark.eventLog.compress"] = "false"  # erasures look through all logs
    # S3A would ask us-east-2 for the region, and follow a bucket wherever it is
    conf["spark.hadoop.fs.s3a.endpoint.region"] = settings.aws_region
    conf["spark.hadoop.fs.s3a.cross.region.access.enabled"] = "false"
    environment = {
        "PYSPARK_PYTHON": PYTHON,
        "PYTHONPATH": "./environment",
        "AWS_REGION": settings.aws_region,
        "AWS_DEFAULT_REGION": settings.aws_region,
    }
    conf["spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON"] = PYTHON
    for place in ("spark.emr-serverless.driverEnv", "spark.executorEnv"):
        conf |= {f"{place}.{name}": value for name, value in environment.items()}
    words = [
        f"--py-files {settings.job_uri}/darkroom.zip",
        f"--archives {settings.job_uri}/environment.tar.gz#environment",
        *(f"--conf {name}={value}" for name, value in conf.items()),
    ]
    return " ".join(words)
