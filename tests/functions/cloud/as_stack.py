"""Which functions take from the simulated cloud's queues, and what its resources are called in
`template.yaml`."""

from __future__ import annotations

from moto.core import DEFAULT_ACCOUNT_ID

from functions import (
    catalog_results,
    collect_uploads,
    small_job,
    submit_job,
    unpack_archive,
)
from local_cloud.access.asks import Place
from local_cloud.access.of_stack import Resource
from tests.functions.cloud.invocations import REGION

HANDLERS = {
    "uploads": collect_uploads,
    "unpack": unpack_archive,
    "submit": submit_job,
    "small": small_job,
    "catalog": catalog_results,
}
ROLES = {
    "uploads": "CollectUploadsRole",
    "unpack": "UnpackArchiveRole",
    "submit": "SubmitJobRole",
    "small": "SmallJobRole",
    "catalog": "CatalogResultsRole",
}
_KEY = f"arn:aws:kms:{REGION}:{DEFAULT_ACCOUNT_ID}:key/data"
_BUCKETS = {"Uploads": "uploads", "Results": "results", "Artifacts": "artifacts"}
_QUEUES = {
    "UploadQueue": "uploads",
    "UnpackQueue": "unpack",
    "SubmitQueue": "submit",
    "SmallQueue": "small",
    "CatalogQueue": "catalog",
    "UploadDeadLetters": "dead",
}


def _arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{DEFAULT_ACCOUNT_ID}:{name}"


_ENCRYPTED = {
    **{f"arn:aws:s3:::{name}": _KEY for name in _BUCKETS.values()},
    **{_arn("sqs", name): _KEY for name in _QUEUES.values()},
    _arn("sns", "notifications"): _KEY,
    _arn("dynamodb", "table/runs"): _KEY,
}
PLACE = Place(REGION, DEFAULT_ACCOUNT_ID, _ENCRYPTED)


def in_the_template(application: str, topic: str, signing_key: str) -> list[Resource]:
    """Logical ids, with what they are called here."""
    arns = {
        **{logical: f"arn:aws:s3:::{name}" for logical, name in _BUCKETS.items()},
        **{logical: _arn("sqs", name) for logical, name in _QUEUES.items()},
        "Runs": _arn("dynamodb", "table/runs"),
        "Notifications": topic,
        "SigningKey": _arn("kms", f"key/{signing_key}"),
        "DataKey": _KEY,
        "SparkApplication": _arn("emr-serverless", f"/applications/{application}"),
        "JobRole": "arn:aws:iam::123456789012:role/job",
        "ErasureRole": "arn:aws:iam::123456789012:role/erasure",
    }
    return [
        Resource("Database", "", "darkroom", "", {}),
        *(Resource(logical, "", arn, arn, {}) for logical, arn in arns.items()),
    ]
