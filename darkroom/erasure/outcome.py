"""What the job hands to `catalog_results`, which finishes an erasure."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from darkroom.erasure.uploads import Left
from darkroom.layout import Run


@dataclass
class Found:
    """What one request takes: object keys, SHA-256 digests of contents that may not come back, and
    how much of it stood in each place."""

    keys: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def keys_of(found: Mapping[str, Found]) -> set[str]:
    """The object keys that several requests take."""
    return {key for one in found.values() for key in one.keys}


def contents_of(found: Mapping[str, Found]) -> set[str]:
    """The contents that several requests take."""
    return {content for one in found.values() for content in one.contents}


@dataclass(frozen=True)
class Outcome:
    """What was done. `version` is the PCA version now in force (0: none), `doomed` are those that
    have seen an erased image; `runs` are the affected ones, with the number of files that each
    still names; `removed` those of which nothing stays, of the batches in `batches`; `csv` those
    whose CSV has lines to lose; `emptied` are manifest parts that name nothing any more. `found`,
    `versions` and `left` (what could not be erased, and why) are by request: they name images, and
    are gone with this object. `planned_at` and `ended_at` are seconds since 1970.
    """

    version: int
    pca_before: list[int]
    doomed: list[int]
    runs: list[tuple[Run, int]]
    removed: list[Run]
    batches: list[str]
    csv: list[Run]
    emptied: list[str]
    found: dict[str, Found]
    versions: dict[str, list[str]]
    looked_at: dict[str, int]
    left: dict[str, list[Left]] = field(default_factory=dict)
    planned_at: float = 0
    ended_at: float = 0

    @property
    def keys(self) -> set[str]:
        """Every object key that was erased."""
        return keys_of(self.found)

    @property
    def contents(self) -> set[str]:
        """Every content that was erased."""
        return contents_of(self.found)


def outcome_key(run: Run) -> str:
    """Where the outcome of an erasure lies."""
    return f"{run.erasure}/outcome.json.gz"


def pack(outcome: Outcome) -> bytes:
    """As JSON, gzip."""
    return gzip.compress(json.dumps(asdict(outcome), ensure_ascii=False).encode(), mtime=0)


def unpack(data: bytes) -> Outcome:
    """The outcome that `pack` wrote."""
    told = json.loads(gzip.decompress(data))
    told["found"] = {number: Found(**found) for number, found in told["found"].items()}
    told["left"] = {n: [Left(*one) for one in several] for n, several in told["left"].items()}
    for name in ("removed", "csv"):
        told[name] = [Run(**run) for run in told[name]]
    told["runs"] = [(Run(**run), files) for run, files in told["runs"]]
    return Outcome(**told)
