"""The API's description (OpenAPI 3.1). A test holds it to the routes, another to the answers."""

from __future__ import annotations

from functools import cache
from typing import Any

from functions.web.schemas import SCHEMAS

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_BATCH = {"name": "batch", "in": "path", "required": True,
          "schema": {"type": "string",
                     "pattern": "^(~[A-Za-z0-9_-]+|[A-Za-z0-9_-][A-Za-z0-9._-]*)$"},
          "description": "A batch's `id`: its name, or `~` and its name in Base64"}  # fmt: skip
_RUN = {"name": "run", "in": "path", "required": True,
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999}}  # fmt: skip
_PART = {"name": "part", "in": "path", "required": True,
         "schema": {"type": "string", "pattern": "^[A-Za-z0-9-]{1,64}$"}}  # fmt: skip
_PATHS = {"name": "path", "in": "query",
          "schema": {"type": "array", "items": {"type": "string"}, "maxItems": 100}}  # fmt: skip
_COSINE = {"name": "cosine", "in": "query", "description": "From which images count as such",
           "schema": {"type": "number", "minimum": 0.9, "maximum": 1, "default": 0.98}}  # fmt: skip
_BATCHES = {"name": "batch", "in": "query", "description": "Batches by `id`; all unless given",
            "schema": {"type": "array", "items": _BATCH["schema"], "maxItems": 100}}  # fmt: skip
_OTHER = {"name": "from", "in": "query", "description": "A batch by `id`; all others unless given",
          "schema": _BATCH["schema"]}  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Darkroom",
            "version": "1",
            "description": "What became of images. Programs use the same routes below `/programs`, "
            "with requests signed by AWS Signature Version 4.",
        },
        "security": [{"signed_in": []}],
        "paths": _paths(),
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"signed_in": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/api/openapi.json": _get("This description", "Description"),
        **_of_batches("/api/batches/{batch}", "/api/batches/{batch}/runs/{run}"),
        **_of_images(_text("path", "The image's object key, or its path")),
    }


def _of_batches(batch: str, run: str) -> dict[str, Any]:
    return {
        "/api/batches": _get(
            "Batches, the last changed first", "Batches", _number("most", 100, 1, 1000),
            _after(r"^[0-9]{1,12}(\.[0-9]{1,6})?@.+$"),
        ),
        batch: _get("A batch with its runs, the newest first", "Batch", _BATCH),
        run: _get("A run", "Run", _BATCH, _RUN),
        f"{run}/receipt": _get("The account of a run", "Receipt", _BATCH, _RUN),
        f"{run}/rejected": _get(
            "Images that could not be processed", "Rejected", _BATCH, _RUN,
            _after("^[A-Za-z0-9-]{1,64}@[0-9]{1,9}$"),
        ),
        f"{run}/files": _get("Links to a run's results, for minutes", "Files", _BATCH, _RUN),
        f"{run}/thumbnails/{{part}}": _get(
            "Small pictures of images in one file", "Thumbnails", _BATCH, _RUN, _PART,
            _PATHS,
        ),
        f"{batch}/duplicates": _get(
            "Groups of near duplicates", "Duplicates", _BATCH, _COSINE,
        ),
        f"{batch}/drift": _get(
            "How far a batch is from another, or from all others", "Drift", _BATCH, _OTHER,
        ),
        f"{batch}/outliers": _get(
            "The images that are least like any other", "Outliers", _BATCH,
            _number("count", 24, 1, 200),
        ),
        f"{batch}/uploads": _post(
            "A form to upload files with, and which of these are there", "UploadForm", "Names"
        ),
        f"{batch}/ready": _post("Mark a batch as complete", "Marked", "Announced"),
    }  # fmt: skip


def _of_images(path: dict[str, Any]) -> dict[str, Any]:
    return {
        "/api/map": _get(
            "Images as points of their first principal components",
            "Map",
            _BATCHES,
            _number("components", 2, 2, 3),
            _number("most", 50_000, 1, 100_000),
        ),
        "/api/similar": _get(
            "The images most like a given one",
            "Similar",
            path,
            _BATCHES,
            _number("count", 12, 1, 200),
        ),
        "/api/original": _get("A link to an uploaded image, for minutes", "Link", path),
    }


def _get(summary: str, answer: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "get": {
            "summary": summary,
            "parameters": list(parameters),
            "responses": _responses(answer),
        }
    }


def _post(summary: str, answer: str, sent: str) -> dict[str, Any]:
    body = {"application/json": {"schema": {"$ref": f"#/components/schemas/{sent}"}}}
    return {
        "post": {
            "summary": summary,
            "parameters": [_BATCH],
            "requestBody": {"required": True, "content": body},
            "responses": _responses(answer),
        }
    }


def _responses(answer: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
    return {
        "200": {"description": "The answer", "content": content},
        "304": {"description": "The answer is the one whose ETag came as If-None-Match"},
        **{
            status: {"description": description, "content": _PROBLEM}
            for status, description in (
                ("400", "The request cannot be understood; the detail says why"),
                ("401", "Nobody is signed in"),
                ("404", "There is no such thing"),
                ("405", "Not with this method"),
                ("415", "The body is no JSON"),
            )
        },
    }


def _number(name: str, default: int, least: int, most: int) -> dict[str, Any]:
    limits = {"type": "integer", "default": default, "minimum": least, "maximum": most}
    return {"name": name, "in": "query", "schema": limits}


def _after(pattern: str) -> dict[str, Any]:
    return {"name": "after", "in": "query", "description": "The `next` of the page before",
            "schema": {"type": "string", "pattern": pattern}}  # fmt: skip


def _text(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": True, "description": description,
            "schema": {"type": "string", "minLength": 1}}  # fmt: skip
