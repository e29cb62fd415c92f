"""Where an erasure works."""

from __future__ import annotations

from dataclasses import dataclass

from darkroom.erasure.search import Spread
from darkroom.erasure.uploads import Uploads
from darkroom.storage.store import Store


@dataclass(frozen=True)
class Places:
    """`exports` is the results' bucket as one that may hold unfinished exports; `logs` holds the
    jobs' logs below `log_folder`; `spread` shares out the work on the results' files."""

    results: Store
    uploads: Uploads
    exports: Uploads
    logs: Store
    log_folder: str
    spread: Spread
