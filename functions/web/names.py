"""Batches in addresses. Any folder name can name a batch, but not every one survives in a URL."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


def id_of(batch: str) -> str:
    """The batch's name where that is plain, else `~` and its Base64.

    >>> id_of("spring"), id_of("Pêches d'été")
    ('spring', '~UMOqY2hlcyBkJ8OpdMOp')
    """
    if _PLAIN.fullmatch(batch):
        return batch
    return "~" + urlsafe_b64encode(batch.encode()).decode().rstrip("=")


def batch_of_id(name: str) -> str | None:
    """The batch that `id_of` named; None for what it never gives."""
    if _PLAIN.fullmatch(name):
        return name
    try:
        padded = name[1:] + "=" * (-len(name[1:]) % 4)
        batch = urlsafe_b64decode(padded.encode("ascii")).decode()
    except ValueError:
        return None
    return batch if batch and name == id_of(batch) else None
