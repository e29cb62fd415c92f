"""`darkroom erase` and `darkroom trace`: what would go, the request, where an image stands."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import boto3

from cli.on_stack.stack import Stack
from darkroom import strict_json
from darkroom.coordinates import versions
from darkroom.coordinates.total import sums_with
from darkroom.erasure import request
from darkroom.erasure.mentions import Mentions
from darkroom.erasure.plan import Plan
from darkroom.erasure.planning import add_logs, featured_in, make_plan
from darkroom.erasure.request import ErasureRequest, Selector
from darkroom.erasure.search import on_threads
from darkroom.erasure.shares import Share
from darkroom.errors import ObjectNotFoundError, UsageError
from darkroom.explore.packs import packs
from darkroom.layout import ERASURES, Run, erasure_request, run_of
from darkroom.run import receipt
from functions.runs.records import RunRecord, State


def new_request(selector: Selector, why: str, keep_copies: bool) -> ErasureRequest:
    """A request by whoever the credentials belong to. Raises `UsageError` for a selector that could
    mean everything."""
    selector.check()
    caller = str(boto3.client("sts").get_caller_identity()["Arn"])
    return ErasureRequest(
        id=f"{datetime.now(UTC):%Y%m%d}-{uuid4().hex[:12]}",
        selector=selector,
        salt=secrets.token_hex(16),
        requested_at=datetime.now(UTC).isoformat(timespec="seconds"),
        requested_by=caller.rpartition(":")[2],  # without the account's number
        why=why,
        keep_copies=keep_copies,
    )


def submit(stack: Stack, asked: ErasureRequest) -> RunRecord:
    """Hand the request in: what it names first, then its record, then word of it."""
    key = erasure_request(asked.id)
    stack.results.write(key, request.pack(asked))
    try:
        record = stack.erasures.register(asked)
    except BaseException:
        stack.results.delete([key])  # nobody would ever come for it
        raise
    stack.queues.pass_on(record)
    return record


def find(stack: Stack, asked: ErasureRequest) -> Plan:
    """All that the request takes, found from here. Changes nothing."""
    found = make_plan(stack.results, stack.versions, [asked], on_threads(stack.results))
    add_logs(found, stack.artifacts, "logs")
    return found


def read_list(file: Path) -> tuple[str, ...]:
    """The object keys in a file: one a line, or a JSON list."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no UTF-8 text") from error
    if not text.strip():
        raise UsageError(f"the list {file} is empty")
    if text.lstrip().startswith("["):
        try:
            keys = strict_json.parse(text)
        except ValueError as error:
            raise UsageError(f"{file} starts like a JSON list, but is none: {error}") from error
        if not all(isinstance(key, str) for key in keys):
            raise UsageError(f"{file}: a list of keys holds text alone")
        return tuple(keys)
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return tuple(line for line in lines if line)


def under_way(stack: Stack) -> list[str]:
    """The batches whose runs may yet write what an erasure will find."""
    states = (State.SEALED, State.SUBMITTED, State.RUNNING, State.SUCCEEDED)
    return sorted({record.batch for record in stack.runs.every()
                   if record.state in states and record.batch != ERASURES})  # fmt: skip


def unmatched(asked: ErasureRequest, found: Plan) -> list[str]:
    """The keys of a request that nothing is held of."""
    keys = found.keys
    named = asked.selector.values if asked.selector.kind == "keys" else ()
    return [key for key in named if key not in keys]


def summary(found: Plan) -> list[str]:
    """What goes, for people."""
    (asked,) = found.found.values()
    if not asked.keys:
        return ["nothing is held of what you named"]
    lines = [f"files: {len(asked.keys)}, contents: {len(asked.contents)}"]
    lines += [f"  {count:>8} {place.replace('_', ' ')}" for place, count in asked.counts.items()
              if count]  # fmt: skip
    if found.doomed:
        versions = ", ".join(map(str, found.doomed))
        lines.append(f"PCA versions that have seen them: {versions}; a new one is fitted on what "
                     "is left, and all coordinates and CSV files are made anew")  # fmt: skip
    if found.removed:
        runs = ", ".join(f"{run.batch} run {run.number}" for run in found.removed)
        lines.append(f"nothing stays of: {runs}")
    return lines


@dataclass(frozen=True)
class Trace:
    """A place that holds something of an image."""

    place: str
    where: str
    what: str


def trace(stack: Stack, key: str) -> list[Trace]:
    """Every place that holds something of the image under this key, or of its copies."""
    asked = ErasureRequest("trace", Selector("keys", (key,)), "00", "", "", "")
    found = find(stack, asked)
    return [*_in_uploads(stack, found), *_in_results(stack, found), *_elsewhere(stack, found)]


def _in_uploads(stack: Stack, found: Plan) -> Iterator[Trace]:
    for version in found.versions:
        what = "delete marker" if version.is_marker else "version"
        yield Trace("upload", f"s3://{stack.uploads}/{version.key}",
                    f"{what} {version.version_id} of {version.stored_at}")  # fmt: skip
    for upload in found.unfinished:
        yield Trace("upload", f"s3://{stack.uploads}/{upload.key}", "unfinished, in parts")


def _in_results(stack: Stack, found: Plan) -> Iterator[Trace]:
    root = stack.results.uri
    for part in found.parts:
        yield Trace("manifest", f"{root}/{part}", "its upload")
    for file, paths in sorted(found.files.items()):
        rows = f"{len(paths)} rows: {', '.join(sorted(paths))}"
        yield Trace(file.partition("/")[0], f"{root}/{file}", rows)
    yield from _made_of(stack, featured_in(found.files), found)
    for version in found.pca_versions:
        for pack in packs(version).of(stack.results, set(map(run_of, found.files))):
            yield Trace("points", f"{root}/{pack}", "its row or content, with those of other runs")
    for share in found.shares:
        yield from _in_receipt(stack, share, found.keys)


def _made_of(stack: Stack, featured: Sequence[Run], found: Plan) -> Iterator[Trace]:
    """What was made of the rows of these runs."""
    results, root = stack.results, stack.results.uri
    for run in featured:
        for place, where in (("Results_CSV", run.csv), ("statistics", run.statistics)):
            if where in results.list(where.rpartition("/")[0]):
                yield Trace(place, f"{root}/{where}", "its share")
    for where in sums_with(results, featured) if featured else ():
        yield Trace("statistics", f"{root}/{where}", "its run's share, with those of others")
    for number, runs in versions.fitted_on(results).items():
        if set(featured) & set(runs):
            yield Trace("pca", f"{root}/pca/model={number}/", "fitted on it, among others")


def _in_receipt(stack: Stack, share: Share, keys: set[str]) -> Iterator[Trace]:
    try:
        account = receipt.unpack(stack.results.read(share.run.receipt))
    except ObjectNotFoundError:
        return
    counts = {"processed": share.processed, **share.reasons, "skipped": share.without_row}
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    named = any(path in keys for group in account.duplicates.groups for path in group)
    also = "; named among the duplicates" if named else ""
    yield Trace("receipt", f"{stack.results.uri}/{share.run.receipt}", f"counted: {told}{also}")


def _elsewhere(stack: Stack, found: Plan) -> Iterator[Trace]:
    for log in found.logs:
        yield Trace("job log", f"{stack.artifacts.uri}/{log}", "names it")
    for upload in stack.upload_dead_letters.uploads():
        if upload.entry.key in found.keys:
            yield Trace("dead letter", stack.upload_dead_letters.url, f"of {upload.entry.key}")
    mentions = Mentions(found.keys, found.contents)
    runs = {run_of(part) for part in found.parts if part.startswith("manifests/")}
    for record in stack.runs.every():
        if record.batch != ERASURES and mentions.in_text(record.reason):
            yield Trace("table", f"{record.batch}, run {record.run}", "the reason names it")
        elif record.key in runs:
            yield Trace("table", f"{record.batch}, run {record.run}", "counted")
