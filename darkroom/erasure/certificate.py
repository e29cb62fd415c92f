"""The proof of an erasure: what went, where it was looked for afterwards, signed.

It names nobody: keys and contents stand in it as hashes under a salt that only who asked was given.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from darkroom import strict_json
from darkroom.erasure.outcome import Outcome
from darkroom.erasure.request import ErasureRequest, salted
from darkroom.errors import UsageError

KIND = "darkroom erasure certificate, version 1"
ALGORITHM = "ECDSA_SHA_256"


@dataclass(frozen=True)
class Signature:
    """A signature (DER) over a SHA-256 digest, and which key made it."""

    key_id: str
    value: bytes


class Signer(Protocol):
    """Signs with a key that never leaves its place."""

    def sign(self, digest: bytes) -> Signature:
        """Sign a SHA-256 digest."""


def issue(
    request: ErasureRequest,
    outcome: Outcome,
    looked_at: Mapping[str, int],
    signer: Signer,
    earlier: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The signed certificate of one request; with what the `earlier` one says, which something was
    left of."""
    found, left = outcome.found[request.id], outcome.left.get(request.id, [])
    erased = set(found.keys) - {one.key for one in left}
    remaining = sorted(set(outcome.pca_before) - set(outcome.doomed) | {outcome.version} - {0})
    document = {
        "kind": KIND,
        **request.summary,
        "selector_values": [request.salted(value) for value in request.selector.values],
        "images": sorted(request.salted(key) for key in erased),
        "left": [{"key": request.salted(one.key), "reason": one.reason} for one in left],
        "contents": sorted(request.salted(content) for content in found.contents),
        "removed": found.counts,
        "upload_version_ids": outcome.versions[request.id],
        "pca_versions": {
            "before": outcome.pca_before,
            "deleted": outcome.doomed,
            "after": remaining,
        },
        "verified": {"looked_at": {**outcome.looked_at, **looked_at}, "found": 0},
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    document = _with_earlier(document, earlier) if earlier else document
    signature = signer.sign(digest_of(document))
    return {
        **document,
        "signature": {
            "algorithm": ALGORITHM,
            "key_id": signature.key_id,
            "value": base64.b64encode(signature.value).decode(),
        },
    }


def _with_earlier(document: dict[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for and what is gone, of both."""
    asked = ("selector", "values", "selector_values", "keep_copies")
    lists = ("images", "contents", "upload_version_ids")
    versions = {**earlier["pca_versions"], "after": document["pca_versions"]["after"]}
    return {
        **document,
        **{name: earlier[name] for name in asked},
        **{name: sorted({*earlier[name], *document[name]}) for name in lists},
        "pca_versions": versions,
    }


def pack(certificate: Mapping[str, Any]) -> bytes:
    """As JSON."""
    return (json.dumps(certificate, ensure_ascii=False, indent=2) + "\n").encode()


def unpack(data: bytes) -> dict[str, Any]:
    """The certificate in a file. Raises `UsageError` for anything else."""
    try:
        told = strict_json.parse(data)
        if told["kind"] == KIND and told["signature"]["algorithm"] == ALGORITHM:
            return dict(told)
    except (ValueError, KeyError, TypeError):
        pass
    raise UsageError("this is no erasure certificate of Darkroom")


def digest_of(certificate: Mapping[str, Any]) -> bytes:
    """What is signed: the SHA-256 of the certificate without its signature, as JSON with sorted
    keys and without spaces, in ASCII."""
    unsigned = {name: value for name, value in certificate.items() if name != "signature"}
    text = json.dumps(unsigned, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def signature_of(certificate: Mapping[str, Any]) -> Signature:
    """The signature in a certificate."""
    told = certificate["signature"]
    return Signature(str(told["key_id"]), base64.b64decode(told["value"]))


def names(certificate: Mapping[str, Any], salt: str, key: str) -> bool:
    """Whether an object key is among those that were erased, or that were asked for."""
    hashed = salted(salt, key)
    return hashed in certificate["images"] or hashed in certificate["selector_values"]
