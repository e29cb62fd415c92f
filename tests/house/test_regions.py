"""Images are stored and processed in the EU alone: the template, each function and the job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from darkroom.errors import UsageError
from darkroom.regions import EU_REGIONS
from emr_serverless_job.main import main
from functions import api_function as api
from functions import catalog_results, collect_uploads, reconcile, submit_job
from tests.project import template

FOREIGN = ["us-east-1", "eu-west-2", "eu-central-2", ""]
HANDLERS = [api, catalog_results, collect_uploads, reconcile, submit_job]


@pytest.mark.parametrize("region", FOREIGN, ids=lambda region: region or "none")
@pytest.mark.parametrize("module", HANDLERS, ids=lambda module: module.__name__.split(".")[-1])
def test_functions_refuse_other_regions(
    module: Any, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(UsageError, match=region or "no region"):
        module.handler({"Records": []}, None)


@pytest.mark.parametrize("region", FOREIGN, ids=lambda region: region or "none")
@pytest.mark.parametrize(
    "words",
    [
        ["--manifest=s3://r/m", "--output=s3://r", "--model=s3://a/m", "--batch=b", "--run=1"],
        ["--erase", "--run=1", "--requests=x", "--output=s3://r"],
    ],
    ids=["run", "erasure"],
)
def test_the_job_refuses_other_regions(
    words: list[str], region: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with caplog.at_level("INFO", logger="darkroom"):
        assert main(words) == 1
    told = json.loads(caplog.messages[-1])
    assert told["error"] == "UsageError"
    assert (region or "no region") in told["message"]


def test_the_template_refuses_other_regions() -> None:
    (rule,) = template()["Rules"].values()
    (assertion,) = rule["Assertions"]
    regions, where = assertion["Assert"]["Fn::Contains"]
    assert tuple(regions) == EU_REGIONS
    assert where == {"Ref": "AWS::Region"}
    assert all(region in assertion["AssertDescription"] for region in EU_REGIONS)
