"""What an erasure removes, found before anything is: so it can go on wherever it was interrupted,
although what it was found by is gone by then."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain

from darkroom import versions
from darkroom.erasure.block_list import upload_of
from darkroom.erasure.mentions import Mentions, logs_that_mention
from darkroom.erasure.outcome import Found
from darkroom.erasure.request import ErasureRequest
from darkroom.erasure.search import Part, Row, Spread, parquet_files, parts_of, rows_in
from darkroom.erasure.uploads import StoredVersion, Unfinished, Uploads
from darkroom.layout import Run, batch_of, run_of
from darkroom.read_ahead import read_ahead
from darkroom.storage import Store

_LISTINGS = 8  # at once
_PLACES = ("upload_versions", "delete_markers", "unfinished_uploads", "incoming_entries",
           "manifest_entries", "feature_rows", "coordinate_rows", "rejected_rows")  # fmt: skip


@dataclass
class Plan:
    """All that goes. `files` and `coordinates` give the paths to remove from each Parquet file;
    `featured` are the runs whose statistics change, `removed` those of which nothing stays;
    `uploads` names each upload by key and version; `doomed` are the PCA versions that have seen
    one of the images."""

    found: dict[str, Found]
    versions: list[StoredVersion] = field(default_factory=list)
    unfinished: list[Unfinished] = field(default_factory=list)
    uploads: list[tuple[str, str]] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)
    coordinates: dict[str, list[str]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    featured: list[Run] = field(default_factory=list)
    removed: list[Run] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    pca_versions: list[int] = field(default_factory=list)
    doomed: list[int] = field(default_factory=list)

    @property
    def keys(self) -> set[str]:
        """Every object key that goes."""
        return {key for found in self.found.values() for key in found.keys}

    @property
    def contents(self) -> set[str]:
        """Every content that goes, and may not come back."""
        return {content for found in self.found.values() for content in found.contents}

    def version_ids(self, keys: Iterable[str]) -> list[str]:
        """The versions and markers of these keys that go."""
        mine = set(keys)
        return sorted(version.version_id for version in self.versions if version.key in mine)

    @property
    def kept(self) -> list[Run]:
        """The affected runs of which something stays."""
        return [run for run in self.runs if run not in self.removed]


def make_plan(
    results: Store, uploads: Uploads, requests: Sequence[ErasureRequest], spread: Spread
) -> Plan:
    """Find everything that the requests take. Changes nothing."""
    rows = list(rows_in(results, spread, parquet_files(results)))
    keys = {request.id: _named_rows(request, rows) for request in requests}
    contents = {request.id: _contents(request, keys[request.id], rows) for request in requests}
    for request in requests:
        if not request.keep_copies:
            mine = contents[request.id]
            keys[request.id] |= {row.path for row in rows if row.content in mine}
    parts = list(parts_of(results, lambda batch: _touches(batch, requests, keys)))
    for request in requests:
        keys[request.id] |= {
            entry.key
            for part in parts
            for entry in part.entries
            if request.selector.takes(entry.key, part.batch)
        }
    stored = _stored(uploads, requests, keys)
    plan = Plan(
        {r.id: Found(sorted(keys[r.id]), sorted(contents[r.id])) for r in requests},
        versions=[version for version in stored if isinstance(version, StoredVersion)],
        unfinished=[upload for upload in stored if isinstance(upload, Unfinished)],
    )
    _plan_rows(plan, results, rows)
    _plan_parts(plan, parts)
    _plan_runs(plan, results, requests)
    for found in plan.found.values():
        found.counts = _counts(plan, found, rows, parts)
    return plan


def add_logs(plan: Plan, logs: Store, folder: str) -> None:
    """Find the jobs' logs that name an image: those go as a whole."""
    plan.logs = logs_that_mention(logs, folder, Mentions(plan.keys, plan.contents))
    for found in plan.found.values():
        found.counts["job_logs"] = len(
            set(plan.logs)
            & set(logs_that_mention(logs, folder, Mentions(found.keys, found.contents)))
        )


def _named_rows(request: ErasureRequest, rows: Iterable[Row]) -> set[str]:
    takes = request.selector.takes
    return {row.path for row in rows if takes(row.path, row.run.batch, row.content)}


def _contents(request: ErasureRequest, keys: set[str], rows: Sequence[Row]) -> set[str]:
    """The contents of the named images; without those of copies that are to stay."""
    contents = {row.content for row in rows if row.path in keys and row.content}
    if request.selector.kind == "content":
        contents |= set(request.selector.values)
    if request.keep_copies:
        contents -= {row.content for row in rows if row.path not in keys}
    return {content for content in contents if content}


def _touches(batch: str, requests: Sequence[ErasureRequest], keys: Mapping[str, set[str]]) -> bool:
    """Whether manifests of the batch may name what goes."""
    return any(
        request.selector.may_touch(batch)
        or any(batch_of(key, "") == batch for key in keys[request.id])
        or (batch.startswith("loose-") and any("/" not in key for key in keys[request.id]))
        for request in requests
    )


def _stored(
    uploads: Uploads, requests: Sequence[ErasureRequest], keys: dict[str, set[str]]
) -> list[StoredVersion | Unfinished]:
    """What of the requests lies in the uploads bucket; adds the keys that only stand there."""
    stored: dict[tuple[str, str], StoredVersion | Unfinished] = {}
    unfinished = list(uploads.unfinished())
    for request in requests:
        mine, selector = keys[request.id], request.selector
        prefixes = selector.upload_prefixes
        listed = tuple(prefixes) if selector.kind != "keys" else ()
        others = [key for key in sorted(mine) if not (listed and key.startswith(listed))]
        asked = list(dict.fromkeys([*prefixes, *others]))
        listings = read_ahead(uploads.versions, asked, _LISTINGS)
        listed_items: Iterable[StoredVersion | Unfinished] = chain(*listings, unfinished)
        for item in listed_items:
            if item.key in mine or selector.takes(item.key, batch_of(item.key, "")):
                mine.add(item.key)
                stored[item.key, item[1]] = item
    return list(stored.values())


def _plan_rows(plan: Plan, results: Store, rows: Iterable[Row]) -> None:
    keys, files = plan.keys, defaultdict(list)
    for row in rows:
        if row.path in keys:
            files[row.file].append(row.path)
    plan.files = dict(files)
    featured = {file: run_of(file) for file in files if file.startswith("Results/")}
    plan.featured = sorted(set(featured.values()))
    for version in versions.fitted_on(results):
        folders = [run.results_pca(version) for run in plan.featured]
        there = {key for folder in folders for key in results.list(folder)}
        for file, run in featured.items():
            target = f"{run.results_pca(version)}/{file.rpartition('/')[2]}"
            if target in there:
                plan.coordinates[target] = files[file]


def _plan_parts(plan: Plan, parts: Iterable[Part]) -> None:
    keys = plan.keys
    uploads = {(version.key, version.version_id) for version in plan.versions}
    for part in parts:
        named = [entry for entry in part.entries if entry.key in keys]
        if named:
            plan.parts.append(part.key)
            uploads |= {(entry.key, upload_of(entry)) for entry in named}
    plan.uploads = sorted(uploads)


def _plan_runs(plan: Plan, results: Store, requests: Iterable[ErasureRequest]) -> None:
    closed = [key for key in plan.parts if key.startswith("manifests/")]
    plan.runs = sorted({*map(run_of, closed), *map(run_of, plan.files)})
    whole = {
        value for request in requests for value in request.selector.values
        if request.selector.kind == "batch"
    }  # fmt: skip
    receipts = [Run(batch, number) for batch in whole for number in _receipts(results, batch)]
    plan.removed = sorted({run for run in [*plan.runs, *receipts] if run.batch in whole})
    fitted = versions.fitted_on(results)
    plan.pca_versions = sorted(fitted)
    seen = set(plan.featured)
    plan.doomed = sorted(number for number, runs in fitted.items() if seen & set(runs))


def _receipts(results: Store, batch: str) -> list[int]:
    folder = Run(batch, 0).receipt.rpartition("/")[0]
    names = (key.rpartition("/")[2] for key in results.list(folder, ".json"))
    return [int(name.removeprefix("run=").removesuffix(".json")) for name in names]


def _counts(plan: Plan, found: Found, rows: Iterable[Row], parts: Iterable[Part]) -> dict[str, int]:
    """How much of a request's images stands in each place."""
    keys, counts = set(found.keys), Counter(dict.fromkeys(_PLACES, 0))
    for version in plan.versions:
        if version.key in keys:
            counts["delete_markers" if version.is_marker else "upload_versions"] += 1
    counts["unfinished_uploads"] += sum(upload.key in keys for upload in plan.unfinished)
    for part in parts:
        place = "incoming_entries" if part.key.startswith("incoming/") else "manifest_entries"
        counts[place] += sum(entry.key in keys for entry in part.entries)
    for row in rows:
        if row.path in keys:
            counts["feature_rows" if row.processed else "rejected_rows"] += 1
    for paths in plan.coordinates.values():
        counts["coordinate_rows"] += sum(path in keys for path in paths)
    return dict(counts)


def pack(plan: Plan) -> bytes:
    """As JSON, gzip."""
    return gzip.compress(json.dumps(asdict(plan), ensure_ascii=False).encode(), mtime=0)


def unpack(data: bytes) -> Plan:
    """The plan that `pack` wrote."""
    told = json.loads(gzip.decompress(data))
    told["found"] = {name: Found(**found) for name, found in told["found"].items()}
    told["versions"] = [StoredVersion(*version) for version in told["versions"]]
    told["unfinished"] = [Unfinished(*upload) for upload in told["unfinished"]]
    told["uploads"] = [(key, upload) for key, upload in told["uploads"]]
    for name in ("runs", "featured", "removed"):
        told[name] = [Run(**run) for run in told[name]]
    return Plan(**told)
