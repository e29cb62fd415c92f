"""Where AWS clients of this process go."""

from __future__ import annotations

import os
from urllib.parse import urlsplit


def is_on_this_machine() -> bool:
    """Whether that is a local cloud."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    return urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1")
