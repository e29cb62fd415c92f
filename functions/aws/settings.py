"""Typed settings from a function's environment, parsed once per process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TypeVar, get_type_hints

from darkroom.errors import UsageError

Settings = TypeVar("Settings")


@dataclass(frozen=True)
class CollectSettings:
    """What `collect_uploads` needs to know."""

    table: str
    results_bucket: str
    submit_queue_url: str
    unpack_queue_url: str
    quiet_seconds: int
    marker_seconds: int
    max_run_files: int


@dataclass(frozen=True)
class UnpackSettings(CollectSettings):
    """What `unpack_archive` needs to know: it collects what it unpacks."""

    uploads_bucket: str
    max_image_bytes: int


@dataclass(frozen=True)
class SubmitSettings:
    """What `submit_job` needs to know. `job_uri` is the folder of the job's artifacts,
    `thumbnails` and `exact_decode` are on or off."""

    aws_region: str
    table: str
    uploads_bucket: str
    results_bucket: str
    submit_queue_url: str
    catalog_queue_url: str
    small_queue_url: str
    small_batch_images: int
    quiet_seconds: int
    marker_seconds: int
    max_age_seconds: int
    max_run_files: int
    application_id: str
    job_role_arn: str
    erasure_role_arn: str
    job_uri: str
    log_uri: str
    job_timeout_minutes: int
    max_vcpu: int
    executor_cores: int
    max_image_bytes: int
    max_image_pixels: int
    thumbnails: str
    exact_decode: str


@dataclass(frozen=True)
class SmallJobSettings:
    """What `small_job` needs to know; see `SubmitSettings`."""

    table: str
    results_bucket: str
    submit_queue_url: str
    catalog_queue_url: str
    job_uri: str
    max_image_bytes: int
    max_image_pixels: int
    thumbnails: str
    exact_decode: str


@dataclass(frozen=True)
class CatalogSettings:
    """What `catalog_results` needs to know. Prices are in `currency`;
    `csv_byte_order_mark` is on or off."""

    table: str
    results_bucket: str
    submit_queue_url: str
    catalog_queue_url: str
    small_queue_url: str
    application_id: str
    log_uri: str
    glue_database: str
    topic_arn: str
    signing_key: str
    csv_byte_order_mark: str
    upload_dead_letters_url: str
    price_vcpu_hour: float
    price_gb_hour: float
    price_storage_gb_hour: float
    price_function_gb_second: float
    currency: str


@dataclass(frozen=True)
class ApiSettings:
    """What the API needs to know. `page_origin` is where the page is served; the page signs people
    in at `sign_in_url` as `client_id`, or not at all where they are empty."""

    aws_region: str
    table: str
    uploads_bucket: str
    results_bucket: str
    quiet_seconds: int
    marker_seconds: int
    max_age_seconds: int
    max_run_files: int
    max_image_bytes: int
    page_origin: str
    sign_in_url: str
    client_id: str


@dataclass(frozen=True)
class ReconcileSettings:
    """What `reconcile` needs to know."""

    table: str
    submit_queue_url: str
    catalog_queue_url: str
    run_limit_minutes: int


def read_settings(kind: type[Settings], environment: Mapping[str, str]) -> Settings:
    """The settings from variables called like the fields, in capitals.

    Raises `UsageError` that names every variable that is missing or of the wrong type.
    """
    types, values, wrong = get_type_hints(kind), {}, []
    for name in (field.name for field in fields(kind)):  # type: ignore[arg-type]
        try:
            values[name] = types[name](environment[name.upper()])
        except (KeyError, ValueError):
            wrong.append(f"{name.upper()} ({types[name].__name__})")
    if wrong:
        raise UsageError(f"environment variables missing or wrong: {', '.join(wrong)}")
    return kind(**values)
