"""Starting the Spark job on EMR Serverless."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from darkroom.layout import ERASURES
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

    def start(self, record: RunRecord) -> str:
        """Start the record's attempt, once per client token; the id of its job run."""
        settings = self.settings
        answer = self.emr.start_job_run(
            applicationId=settings.application_id,
            clientToken=record.client_token,
            executionRoleArn=(
                settings.erasure_role_arn if record.batch == ERASURES else settings.job_role_arn
            ),
            executionTimeoutMinutes=settings.job_timeout_minutes,
            name=_job_name(record),
            jobDriver={
                "sparkSubmit": {
                    "entryPoint": f"{settings.job_uri}/main.py",
                    "entryPointArguments": _arguments(record, settings),
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


def _job_name(record: RunRecord) -> str:
    if record.batch == ERASURES:
        return f"erasure-{record.run}-attempt-{record.attempt}"
    readable = re.sub(r"[^A-Za-z0-9._/#-]", "_", record.batch)[:40]
    return f"{readable}-run-{record.run}-attempt-{record.attempt}"


def _arguments(record: RunRecord, settings: SubmitSettings) -> list[str]:
    results = f"s3://{settings.results_bucket}"
    if record.batch == ERASURES:
        return _erasure_arguments(record, settings)
    arguments = {
        "--run-of": record.key.in_ascii,
        "--output": results,
        "--model": f"{settings.job_uri}/mobilenet_v2.onnx",
        "--max-bytes": str(settings.max_image_bytes),
        "--max-pixels": str(settings.max_image_pixels),
    }
    if record.expected is not None:
        arguments["--expected"] = str(record.expected)
    switched = ["--no-thumbnails"] if settings.thumbnails == "off" else []
    switched += ["--exact-decode"] if settings.exact_decode == "on" else []
    return [*(f"{name}={value}" for name, value in arguments.items()), *switched]


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
