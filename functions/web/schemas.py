"""The shapes of the API's answers, as JSON Schema."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(**properties: Schema) -> Schema:
    """All properties are there, and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _of(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Schema = {"type": "string"}
_YES: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_COSINE: Schema = {"type": "number", "minimum": -1.0001, "maximum": 1.0001}
_STATE = {
    "enum": ["OPEN", "SEALED", "SUBMITTED", "RUNNING", "SUCCEEDED", "DONE", "FAILED"],
    "description": "OPEN waits for uploads; DONE and FAILED are final",
}
_IMAGE = {"batch": _TEXT, "id": _TEXT, "run": _COUNT, "part": _TEXT, "path": _TEXT, "label": _TEXT}
_COUNTS = {"processed": _COUNT, "rejected": _COUNT, "missing": _COUNT}

SCHEMAS: Schema = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457",
        "properties": {"type": _TEXT, "title": _TEXT, "status": _COUNT, "detail": _TEXT},
        "required": ["type", "title", "status", "detail"],
    },
    "Description": {"type": "object"},
    "Run": _object(
        batch=_TEXT,
        run=_COUNT,
        state=_STATE,
        words={**_TEXT, "description": "Where the run stands, for people"},
        finished=_YES,
        files={**_COUNT, "description": "Uploads so far; the manifest's files once it is closed"},
        closes_in_seconds=_or_null(_NUMBER),
        closed_because=_or_null(_TEXT),
        progress=_or_null(
            _object(done=_COUNT, total=_COUNT, seconds=_NUMBER, images_per_second=_NUMBER)
        ),
        attempt=_COUNT,
        reason=_or_null(_TEXT),
        receipt=_or_null(_object(found=_COUNT, **_COUNTS, balanced=_YES)),
        pca_version=_or_null(_COUNT),
        cost=_or_null(
            _object(
                amount=_NUMBER,
                currency=_TEXT,
                vcpu_hours=_NUMBER,
                memory_gb_hours=_NUMBER,
                storage_gb_hours=_NUMBER,
            )
        ),
        opened_at=_NUMBER,
        changed_at=_NUMBER,
    ),
    "BatchInShort": _object(id=_TEXT, batch=_TEXT, **_COUNTS, newest=_of("Run")),
    "Batches": _object(
        batches=_list(_of("BatchInShort")),
        next={**_or_null(_TEXT), "description": "The next page's `after`"},
    ),
    "Batch": _object(
        id=_TEXT, batch=_TEXT, **_COUNTS, newest=_of("Run"), runs=_list(_of("Run"))
    ),
    "Receipt": {
        "type": "object",
        "description": "found = processed + rejected + missing",
        "properties": {
            "batch": _TEXT, "run": _COUNT, "found": _COUNT, **_COUNTS, "balanced": _YES,
            "equation": _TEXT, "skipped": _COUNT, "erased": _COUNT,
            "with_more_pages": _COUNT,
            "drift": _or_null({"type": "object", "properties": {
                "words": _TEXT, "unlike": _or_null(_YES), "distance": _or_null(_NUMBER),
                "from_previous": _or_null(_NUMBER), "halves": _or_null(_NUMBER),
                "images": _COUNT,
                "labels": {"type": "object", "additionalProperties": _NUMBER},
            }}),
            "rejected_by_reason": {"type": "object", "additionalProperties": _COUNT},
        },
        "required": ["batch", "run", "found", *_COUNTS, "balanced", "equation"],
    },
    "Rejected": _object(
        rejected=_list(
            _object(path=_TEXT, reason=_TEXT, detail=_or_null(_TEXT), part=_TEXT)
        ),
        next={**_or_null(_TEXT), "description": "The next page's `after`"},
    ),
    "Files": _object(
        pca_version=_COUNT,
        files=_list(
            _object(
                kind={"enum": ["receipt", "csv", "features", "coordinates", "rejected"]},
                key=_TEXT,
                url=_TEXT,
            )
        ),
    ),
    "Thumbnails": _object(
        thumbnails={
            "type": "object",
            "description": "By path: JPEG in Base64, or null",
            "additionalProperties": _or_null(_TEXT),
        }
    ),
    "Map": {
        "type": "object",
        "description": "Columns of equal length; `label` and `file` are positions in lists",
        "properties": {
            "pca_version": _COUNT, "total": _COUNT, "shown": _COUNT, "rule": _or_null(_TEXT),
            "labels": _list(_TEXT),
            "files": _list(_object(batch=_TEXT, id=_TEXT, run=_COUNT, part=_TEXT)),
            "x": _list(_NUMBER), "y": _list(_NUMBER), "z": _list(_NUMBER),
            "label": _list(_COUNT), "file": _list(_COUNT), "path": _list(_TEXT),
        },
        "required": ["pca_version", "total", "shown", "rule", "labels", "files", "x", "y",
                     "label", "file", "path"],
    },
    "Similar": _object(
        pca_version=_COUNT,
        image=_object(**_IMAGE),
        similar=_list(_object(**_IMAGE, cosine=_COSINE, same_content=_YES)),
    ),
    "Duplicates": _object(
        pca_version=_COUNT,
        cosine=_COSINE,
        groups=_list(
            _object(cosine=_COSINE, same_content=_YES, images=_list(_object(**_IMAGE)))
        ),
    ),
    "Drift": {
        "type": "object",
        "description": "Squared Fréchet distances of features; `halves`: of a batch's own halves",
        "properties": {
            "batch": _TEXT, "other": _or_null(_TEXT), "images": _COUNT, "other_images": _COUNT,
            "distance": _NUMBER, "halves": _or_null(_NUMBER),
        },
        "required": ["batch", "other", "images", "other_images", "distance", "halves"],
    },
    "Outliers": _object(
        pca_version=_COUNT, outliers=_list(_object(**_IMAGE, cosine=_COSINE))
    ),
    "Link": _object(url=_TEXT),
    "UploadForm": _object(
        url={**_TEXT, "description": "POST each file here, with the fields, `key` and `file`"},
        fields={"type": "object", "additionalProperties": _TEXT},
        key_prefix=_TEXT,
        max_bytes=_COUNT,
        expires_in_seconds=_COUNT,
        present={
            "type": "object",
            "additionalProperties": _object(size_bytes=_COUNT, sha256=_or_null(_TEXT)),
        },
    ),
    "Names": {
        "type": "object",
        "properties": {"names": {**_list({**_TEXT, "minLength": 1}), "maxItems": 500}},
    },
    "Announced": {
        "type": "object",
        "properties": {"images": {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}},
    },
    "Marked": _object(marked=_YES),
}  # fmt: skip
