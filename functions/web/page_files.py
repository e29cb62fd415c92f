"""The page's own files, and the headers that keep it to itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from functions.web.links import origin_of
from functions.web.problems import not_found

FOLDER = Path(__file__).parents[1] / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class PageFile:
    """A file of the page."""

    text: str
    mime: str
    etag: str


@cache
def page_file(name: str) -> PageFile:
    """One of the page's files, by name. Raises `ProblemError` where there is none."""
    known = {path.name: path for path in FOLDER.iterdir() if path.suffix in _TYPES}
    if name not in known:
        raise not_found(f"the page has no file {name!r}")
    data = known[name].read_bytes()
    etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    return PageFile(data.decode(), _TYPES[known[name].suffix], etag)


def security_headers(bucket_origins: Sequence[str], sign_in_url: str) -> dict[str, str]:
    """Nothing from elsewhere is loaded, run, framed or told: the page talks to its API, the buckets
    and the sign-in."""
    sign_in = [origin_of(sign_in_url)] if sign_in_url else []
    reached = " ".join(["'self'", *bucket_origins, *sign_in])
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": " ".join(["'self'", "blob:", "data:", *bucket_origins]),
        "connect-src": reached,
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
