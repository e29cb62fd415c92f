"""Finding everything that an erasure removes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from time import time

from darkroom.coordinates import versions
from darkroom.erasure.block_list import upload_of
from darkroom.erasure.finding import look
from darkroom.erasure.mentions import Mentions, logs_that_mention
from darkroom.erasure.outcome import Found
from darkroom.erasure.plan import Plan
from darkroom.erasure.request import ErasureRequest
from darkroom.erasure.search import Part, Row, Spread
from darkroom.erasure.shares import Share, shares_of
from darkroom.erasure.uploads import Left, StoredVersion, Unfinished, Uploads
from darkroom.layout import Run, batch_of, run_of
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

_LISTINGS = 8  # at once
_PLACES = {
    "Results": "feature_rows",
    "Results_PCA": "coordinate_rows",
    "Rejected": "rejected_rows",
    "Skipped": "skipped_rows",
    "Thumbnails": "thumbnails",
}


def make_plan(
    results: Store, uploads: Uploads, requests: Sequence[ErasureRequest], spread: Spread
) -> Plan:
    """Find everything that the requests take. Changes nothing."""
    made_at = time()
    rows, parts = look(results, requests, spread)
    keys: dict[str, set[str]] = {}
    contents: dict[str, set[str]] = {}
    for request in requests:
        mine = _named(request, rows, parts)
        contents[request.id] = _contents(request, mine, rows)
        if not request.keep_copies:
            mine |= {row.path for row in rows if row.content in contents[request.id]}
        keys[request.id] = mine
    stored = _stored(uploads, requests, keys)
    left = [item for item in stored if isinstance(item, Left)]
    plan = Plan(
        {r.id: Found(sorted(keys[r.id]), sorted(contents[r.id])) for r in requests},
        versions=[version for version in stored if isinstance(version, StoredVersion)],
        unfinished=[upload for upload in stored if isinstance(upload, Unfinished)],
        left=left,
        made_at=made_at,
    )
    going = plan.keys
    rows = _plan_rows(plan, [*rows], going)
    parts = [Part(p.key, [e for e in p.entries if e.key in going]) for p in parts]
    _plan_parts(plan, parts)
    _plan_runs(plan, results, requests)
    for found in plan.found.values():
        found.counts = _counts(plan, set(found.keys), rows, parts)
    return plan


def add_logs(plan: Plan, logs: Store, folder: str) -> None:
    """Find the jobs' logs that name an image: those go as a whole."""
    mentions = {name: Mentions(found.keys, found.contents) for name, found in plan.found.items()}
    named = logs_that_mention(logs, folder, mentions)
    plan.logs = sorted(named)
    for name, found in plan.found.items():
        found.counts["job_logs"] = sum(name in names for names in named.values())


def _named(request: ErasureRequest, rows: Iterable[Row], parts: Iterable[Part]) -> set[str]:
    takes = request.selector.takes
    return {row.path for row in rows if takes(row.path, row.run.batch, row.content)} | {
        entry.key for part in parts for entry in part.entries if takes(entry.key, part.batch)
    }


def _contents(request: ErasureRequest, keys: set[str], rows: Sequence[Row]) -> set[str]:
    """The contents of the named images; without those of copies that are to stay."""
    contents = {row.content for row in rows if row.path in keys and row.content}
    if request.selector.kind == "content":
        contents |= set(request.selector.values)
    if request.keep_copies:
        contents -= {row.content for row in rows if row.path not in keys}
    return {content for content in contents if content}


def _stored(
    uploads: Uploads, requests: Sequence[ErasureRequest], keys: dict[str, set[str]]
) -> list[StoredVersion | Unfinished | Left]:
    """What of the requests lies in the uploads bucket, and what of it cannot be listed; adds the
    keys that only stand there."""
    stored: dict[tuple[str, str], StoredVersion | Unfinished | Left] = {}
    unfinished = list(uploads.unfinished())
    for request in requests:
        mine, selector = keys[request.id], request.selector
        prefixes = selector.upload_prefixes if selector.kind != "keys" else []
        found = dict(zip(prefixes, read_ahead(uploads.found, prefixes, _LISTINGS), strict=True))
        listed = tuple(prefix for prefix, items in found.items() if not isinstance(items, Left))
        others = {*mine, *(selector.values if selector.kind == "keys" else ())}
        asked = sorted(key for key in others if not (listed and key.startswith(listed)))
        found |= zip(asked, read_ahead(uploads.found, asked, _LISTINGS), strict=True)
        for left in found.values():
            if isinstance(left, Left):
                stored[left] = left
        listings = (items for items in found.values() if not isinstance(items, Left))
        listed_items: Iterable[StoredVersion | Unfinished] = chain(*listings, unfinished)
        for item in listed_items:
            if item.key in mine or selector.takes(item.key, batch_of(item.key, "")):
                mine.add(item.key)
                stored[item.key, item[1]] = item
    return list(stored.values())


def _plan_rows(plan: Plan, rows: Sequence[Row], keys: set[str]) -> list[Row]:
    """The rows that go; the duplicates among all rows are counted in the runs' shares."""
    going, files = [row for row in rows if row.path in keys], defaultdict(list)
    for row in going:
        files[row.file].append(row.path)
    plan.files = dict(files)
    plan.featured = featured_in(files)
    plan.shares = shares_of(rows, keys)
    return going


def featured_in(files: Iterable[str]) -> list[Run]:
    """The runs whose features or coordinates are in these files."""
    return sorted({run_of(file) for file in files if file.startswith(("Results/", "Results_PCA/"))})


def _plan_parts(plan: Plan, parts: Iterable[Part]) -> None:
    uploads = {(version.key, version.version_id) for version in plan.versions}
    shares = {share.run: share for share in plan.shares}
    for part in parts:
        if not part.entries:
            continue
        plan.parts.append(part.key)
        uploads |= {(entry.key, upload_of(entry)) for entry in part.entries}
        if part.run is not None:
            share = shares.setdefault(part.run, Share(part.run))
            share.files += len(part.entries)
    plan.shares = [shares[run] for run in sorted(shares)]
    plan.uploads = sorted(uploads)


def _plan_runs(plan: Plan, results: Store, requests: Iterable[ErasureRequest]) -> None:
    whole = {
        value for request in requests for value in request.selector.values
        if request.selector.kind == "batch"
    }  # fmt: skip
    receipts = [Run(batch, number) for batch in whole for number in _receipts(results, batch)]
    runs = [*(share.run for share in plan.shares), *receipts]
    plan.removed = sorted({run for run in runs if run.batch in whole})
    fitted = versions.fitted_on(results)
    plan.pca_versions = sorted(fitted)
    # an attempt that failed may have fitted on an image that a later one did not find
    doubtful = {share.run for share in plan.shares if share.without_row or share.missing}
    seen = {*plan.featured, *doubtful}
    plan.doomed = sorted(number for number, runs in fitted.items() if seen & set(runs))
    plan.featured = sorted(seen)


def _receipts(results: Store, batch: str) -> list[int]:
    folder = Run(batch, 0).receipt.rpartition("/")[0]
    names = (key.rpartition("/")[2] for key in results.list(folder, ".json"))
    return [int(name.removeprefix("run=").removesuffix(".json")) for name in names]


def _counts(
    plan: Plan, keys: set[str], rows: Iterable[Row], parts: Iterable[Part]
) -> dict[str, int]:
    """How much of a request's images stands in each place."""
    mine = [version for version in plan.versions if version.key in keys]
    counts = Counter(
        {
            "upload_versions": sum(not version.is_marker for version in mine),
            "delete_markers": sum(version.is_marker for version in mine),
            "unfinished_uploads": sum(upload.key in keys for upload in plan.unfinished),
            "incoming_entries": 0,
            "manifest_entries": 0,
            **dict.fromkeys(_PLACES.values(), 0),
        }
    )
    for part in parts:
        place = "manifest_entries" if part.run else "incoming_entries"
        counts[place] += sum(entry.key in keys for entry in part.entries)
    for row in rows:
        counts[_PLACES[row.place]] += row.path in keys
    return dict(counts)


def with_later_versions(plan: Plan, results: Store) -> Plan:
    """The plan, taken up again after others went on with their work: PCA versions that came since
    have seen the images, too, unless the results had been cleared by then."""
    if plan.cleared:
        return plan
    later = {number: runs for number, runs in versions.fitted_on(results).items()
             if number not in plan.pca_versions}  # fmt: skip
    doomed = [number for number, runs in later.items() if set(runs) & set(plan.featured)]
    return replace(
        plan,
        pca_versions=sorted([*plan.pca_versions, *later]),
        doomed=sorted([*plan.doomed, *doomed]),
    )
