"""The API behind the page: batches, runs, results, the map, and uploads. Each route only reads what
is asked, calls the logic in `web`, and answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from chalice.app import Chalice, Request, Response

from darkroom.explore.cache import PointCache
from darkroom.explore.duplicates import LIKE
from darkroom.explore.map import MOST_POINTS
from functions.aws.bucket import Bucket
from functions.aws.observability import count, logger, metrics, tracer
from functions.aws.region import eu_only
from functions.aws.settings import ApiSettings, read_settings
from functions.runs.batch_complete import rules_of
from functions.runs.table import RunTable
from functions.web import asked, openapi
from functions.web.batch_list import BatchList
from functions.web.batches_view import RunsView
from functions.web.drift_view import DriftView
from functions.web.explore_view import MOST_COMPARED, MOST_LOOKED_AT, ExploreView, Limits
from functions.web.gateway import PUBLIC, caller, packed, rest_event, unless_known
from functions.web.links import Links, signing_client
from functions.web.page_files import page_file, security_headers
from functions.web.problems import ProblemError, not_found
from functions.web.upload_view import UploadView

_MOST_POINTS = 100_000  # what fits into an answer
_BATCHES = 100  # of a page

app = Chalice(app_name="darkroom", configure_logs=False)


@dataclass(frozen=True)
class Service:
    """What answers requests."""

    settings: ApiSettings
    runs: RunsView
    explore: ExploreView
    drift: DriftView
    uploads: UploadView
    headers: dict[str, str]


@cache
def service() -> Service:
    """Built once per process."""
    settings = read_settings(ApiSettings, os.environ)
    s3 = signing_client()
    results = Bucket(s3, settings.results_bucket)
    table = RunTable(boto3.resource("dynamodb").Table(settings.table))
    links = Links(s3, settings.uploads_bucket, settings.results_bucket, settings.max_image_bytes)
    rules = rules_of(settings)
    return Service(
        settings,
        RunsView(table, results, links, rules, BatchList(table)),
        ExploreView(table, results, PointCache(results), Limits(MOST_LOOKED_AT, MOST_COMPARED)),
        DriftView(results),
        UploadView(s3, settings.uploads_bucket, links),
        security_headers(links.origins, settings.sign_in_url),
    )


def _request() -> Request:
    request = app.current_request
    assert request is not None
    return request


@app.route("/")
def page() -> Response:
    """The page."""
    return _file("index.html")


@app.route("/page/{file}")
def page_part(file: str) -> Response:
    """A script or style of the page."""
    return _file(file)


def _file(name: str) -> Response:
    file = page_file(name)
    headers: dict[str, str | list[str]] = {
        "Content-Type": file.mime,
        "Cache-Control": "no-cache",
        "ETag": file.etag,
    }
    return Response(file.text, headers=headers)


@app.route("/config.json")
def config() -> dict[str, Any]:
    """What the page needs to know before anybody has signed in."""
    settings = service().settings
    return {
        "sign_in_url": settings.sign_in_url or None,
        "client_id": settings.client_id or None,
        "max_image_bytes": settings.max_image_bytes,
        "quiet_seconds": settings.quiet_seconds,
    }


@app.route("/api/openapi.json")
def description() -> dict[str, Any]:
    """This API, described."""
    return openapi.document()


@app.route("/api/batches")
def batches() -> dict[str, Any]:
    """Batches, a page at a time."""
    most = asked.whole(_request(), "most", _BATCHES, 1, 1000)
    return service().runs.batches(most, asked.place(_request()))


@app.route("/api/batches/{batch}")
def batch(batch: str) -> dict[str, Any]:
    """One batch with its runs."""
    return service().runs.batch(asked.batch(batch))


@app.route("/api/batches/{batch}/runs/{run}")
def run(batch: str, run: str) -> dict[str, Any]:
    """One run."""
    return service().runs.run(asked.run(batch, run))


@app.route("/api/batches/{batch}/runs/{run}/receipt")
def receipt(batch: str, run: str) -> dict[str, Any]:
    """A run's receipt."""
    return service().runs.receipt(asked.run(batch, run))


@app.route("/api/batches/{batch}/runs/{run}/rejected")
def rejected(batch: str, run: str) -> dict[str, Any]:
    """The images that a run could not process."""
    return service().runs.rejected(asked.run(batch, run), asked.row(_request()))


@app.route("/api/batches/{batch}/runs/{run}/files")
def files(batch: str, run: str) -> dict[str, Any]:
    """Links to a run's results."""
    return service().runs.files(asked.run(batch, run))


@app.route("/api/batches/{batch}/runs/{run}/thumbnails/{part}")
def thumbnails(batch: str, run: str, part: str) -> dict[str, Any]:
    """Small pictures."""
    paths = asked.texts(_request(), "path")
    return service().explore.thumbnails(asked.run(batch, run), asked.part(part), paths)


@app.route("/api/batches/{batch}/duplicates")
def duplicates(batch: str) -> dict[str, Any]:
    """Near duplicates in a batch."""
    least = asked.share(_request(), "cosine", LIKE, 0.9)
    return service().explore.duplicates(asked.batch(batch), least)


@app.route("/api/batches/{batch}/drift")
def drift(batch: str) -> dict[str, Any]:
    """How far a batch is from the others, or from one of them."""
    return service().drift.drift(asked.batch(batch), asked.another(_request()))


@app.route("/api/batches/{batch}/outliers")
def outliers(batch: str) -> dict[str, Any]:
    """The images of a batch that are least like any other."""
    most = asked.whole(_request(), "count", 24, 1, 200)
    return service().explore.outliers(asked.batch(batch), most)


@app.route("/api/map")
def points() -> dict[str, Any]:
    """Images as points."""
    components = asked.whole(_request(), "components", 2, 2, 3)
    most = asked.whole(_request(), "most", MOST_POINTS, 1, _MOST_POINTS)
    return service().explore.map(asked.batches(_request()), components, most)


@app.route("/api/similar")
def similar() -> dict[str, Any]:
    """Images like a given one."""
    most = asked.whole(_request(), "count", 12, 1, 200)
    path = asked.text(_request(), "path")
    return service().explore.similar(path, asked.batches(_request()), most)


@app.route("/api/original")
def original() -> dict[str, Any]:
    """A link to an uploaded image, for minutes."""
    return {"url": service().runs.links.original(asked.text(_request(), "path"))}


@app.route("/api/batches/{batch}/uploads", methods=["POST"], content_types=["application/json"])
def uploads(batch: str) -> dict[str, Any]:
    """A form for uploading."""
    return service().uploads.form(asked.batch(batch), asked.names(asked.body(_request())))


@app.route("/api/batches/{batch}/ready", methods=["POST"], content_types=["application/json"])
def ready(batch: str) -> dict[str, Any]:
    """Mark a batch as complete."""
    name, images = asked.batch(batch), asked.images(asked.body(_request()))
    if images is None:
        service().runs.require_something_to_close(name)
    return service().uploads.ready(name, images)


@app.middleware("http")
def tell_problems(request: Request, answer: Callable[[Request], Response]) -> Response:
    """What cannot be answered, as `application/problem+json`."""
    try:
        return answer(request)
    except ProblemError as problem:
        return _told(problem)


def _told(problem: ProblemError) -> Response:
    return Response(problem.document, {**problem.headers}, int(problem.status))


@eu_only
@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request of API Gateway."""
    count("Requests")
    try:
        return _sent(_problem_if_refused(app(_admitted(event), context)), event)
    except ProblemError as problem:
        return _sent(_told(problem).to_dict(), event)


def _sent(answer: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    usual = {"Content-Type": "application/json", "Cache-Control": "no-store", **service().headers}
    headers = {**usual, **answer["headers"]}
    return packed(unless_known({**answer, "headers": headers}, event), event)


def _problem_if_refused(answer: dict[str, Any]) -> dict[str, Any]:
    """Chalice's own refusals and faults of ours, in the form of other problems."""
    status = HTTPStatus(answer["statusCode"])
    if status < HTTPStatus.BAD_REQUEST or "problem" in str(answer["headers"]):
        return answer
    ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    detail = "this is a fault of the service: try again, and see its log"
    raise ProblemError(status, detail if ours else json.loads(answer["body"])["Message"])


def _admitted(event: dict[str, Any]) -> dict[str, Any]:
    """The request as Chalice wants it. Raises `ProblemError` where nobody is signed in, or no route
    takes it: API Gateway refuses both, and this refuses them again."""
    asked_for = rest_event(event, app.routes)
    route, method = (
        asked_for["requestContext"]["resourcePath"],
        event["requestContext"]["http"]["method"],
    )
    if route not in PUBLIC and caller(event) is None:
        raise ProblemError(HTTPStatus.UNAUTHORIZED, "sign in first")
    if route not in app.routes:
        raise not_found("there is nothing at this address")
    if method not in app.routes[route]:
        allowed = ", ".join(app.routes[route])
        raise ProblemError(HTTPStatus.METHOD_NOT_ALLOWED, f"use {allowed}", Allow=allowed)
    return asked_for
