"""The job as EMR Serverless is asked for it."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import MagicMock

import pytest

from emr_serverless_job import main
from functions.aws.settings import SubmitSettings, read_settings
from functions.submission.job_runs import JobRuns, spark_parameters
from tests.functions.cloud.job import job_of
from tests.functions.cloud.resources import NO_QUEUES, environment

# vCPUs of a worker, and the GB of memory it may have. Source: EMR Serverless' worker configurations
WORKERS = {1: (2, 8), 2: (4, 16), 4: (8, 30), 8: (16, 60), 16: (32, 120)}


@pytest.mark.parametrize("most", [4, 6, 16, 100], ids=lambda most: f"of-{most}-vcpu")
@pytest.mark.parametrize("cores", WORKERS, ids=lambda cores: f"{cores}-a-worker")
def test_workers_are_such_as_exist_and_fit_into_the_capacity(most: int, cores: int) -> None:
    settings = read_settings(
        SubmitSettings,
        environment("app", NO_QUEUES, "", ""),
    )
    words = spark_parameters(replace(settings, max_vcpu=most, executor_cores=cores)).split()
    conf = dict(word.split("=", 1) for word in words if word.startswith("spark."))
    taken = 0
    for who, count in (
        ("driver", 1),
        ("executor", int(conf["spark.dynamicAllocation.maxExecutors"])),
    ):
        vcpu = int(conf[f"spark.{who}.cores"])
        memory = sum(
            int(conf[f"spark.{who}.{kind}"].removesuffix("g"))
            for kind in ("memory", "memoryOverhead")
        )
        least, largest = WORKERS[vcpu]
        assert least <= memory <= largest
        assert count >= 1
        taken += vcpu * count
    assert taken <= most
    assert int(conf["spark.dynamicAllocation.initialExecutors"]) <= count
    assert conf["spark.executorEnv.AWS_REGION"] == "eu-west-1"


def test_a_job_names_its_python_and_its_region() -> None:
    """Of the image's three Pythons the one of the archive, for driver and executors; S3A asks no
    other region, and follows no bucket into one."""
    known = environment("app", NO_QUEUES, "", "")
    words = spark_parameters(read_settings(SubmitSettings, known)).split()
    conf = dict(word.split("=", 1) for word in words if word.startswith("spark."))
    for name in ("driverEnv.PYSPARK_PYTHON", "driverEnv.PYSPARK_DRIVER_PYTHON"):
        assert conf[f"spark.emr-serverless.{name}"] == "/usr/bin/python3.11"
    assert conf["spark.executorEnv.PYSPARK_PYTHON"] == "/usr/bin/python3.11"
    assert conf["spark.hadoop.fs.s3a.endpoint.region"] == "eu-west-1"
    assert conf["spark.hadoop.fs.s3a.cross.region.access.enabled"] == "false"


def test_a_stack_without_thumbnails_asks_its_jobs_for_none() -> None:
    known = environment("app", NO_QUEUES, "", "")
    settings = read_settings(SubmitSettings, {**known, "THUMBNAILS": "off"})
    emr = MagicMock()
    JobRuns(emr, settings).start_runs(job_of("spring", 1))
    driver = emr.start_job_run.call_args.kwargs["jobDriver"]["sparkSubmit"]
    arguments = driver["entryPointArguments"]
    assert "--no-thumbnails" in arguments
    options = ["--manifest=s3://m", "--output=s3://o", "--model=m.onnx", "--batch=b", "--run=1"]
    assert not main._parser().parse_args([*options, "--no-thumbnails"]).thumbnails
    assert main._parser().parse_args(options).thumbnails
