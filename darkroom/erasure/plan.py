"""What an erasure removes: written down before anything is, so that it can go on wherever it was
interrupted, although what it was found by is gone by then."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from darkroom.erasure.outcome import Found, contents_of, keys_of
from darkroom.erasure.shares import Share
from darkroom.erasure.uploads import Left, StoredVersion, Unfinished
from darkroom.layout import Run


@dataclass
class Plan:
    """All that goes. `files` gives the paths to remove from each Parquet file; `uploads` names each
    upload by key and version; `shares` are what the images are in each run's receipt; `featured`
    are the runs whose statistics change, `removed` those of which nothing stays; `doomed` are the
    PCA versions that may have seen one of the images; `left` cannot be erased, or not be
    listed. `made_at` (seconds since 1970) parts what it is about from what came later. When the
    plan is `blocked`, nothing that goes can come in again; when it is `cleared`, rows, receipts and
    statistics are without it, and so is what others build on them."""

    found: dict[str, Found]
    versions: list[StoredVersion] = field(default_factory=list)
    unfinished: list[Unfinished] = field(default_factory=list)
    uploads: list[tuple[str, str]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)
    shares: list[Share] = field(default_factory=list)
    featured: list[Run] = field(default_factory=list)
    removed: list[Run] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    pca_versions: list[int] = field(default_factory=list)
    doomed: list[int] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    made_at: float = 0
    blocked: bool = False
    cleared: bool = False

    @property
    def keys(self) -> set[str]:
        """Every object key that goes."""
        return keys_of(self.found)

    @property
    def contents(self) -> set[str]:
        """Every content that goes, and may not come back."""
        return contents_of(self.found)

    def version_ids(self, keys: Iterable[str]) -> list[str]:
        """The versions and markers of these keys that go."""
        mine = set(keys)
        return sorted(version.version_id for version in self.versions if version.key in mine)

    @property
    def kept(self) -> list[Share]:
        """The shares in runs of which something stays."""
        gone = set(self.removed)
        return [share for share in self.shares if share.run not in gone]


def plan_key(run: Run) -> str:
    """Where the plan of an erasure lies."""
    return f"{run.erasure}/plan.json.gz"


def pack(plan: Plan) -> bytes:
    """As JSON, gzip."""
    return gzip.compress(json.dumps(asdict(plan), ensure_ascii=False).encode(), mtime=0)


def unpack(data: bytes) -> Plan:
    """The plan that `pack` wrote."""
    told = json.loads(gzip.decompress(data))
    told["found"] = {name: Found(**found) for name, found in told["found"].items()}
    told["versions"] = [StoredVersion(*version) for version in told["versions"]]
    told["unfinished"] = [Unfinished(*upload) for upload in told["unfinished"]]
    told["left"] = [Left(*left) for left in told.get("left", [])]
    told["uploads"] = [(key, upload) for key, upload in told["uploads"]]
    told["shares"] = [Share(**{**share, "run": Run(**share["run"])}) for share in told["shares"]]
    for name in ("featured", "removed"):
        told[name] = [Run(**run) for run in told[name]]
    return Plan(**told)
