"""Carrying out a plan: one place after the other, each safe to repeat."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from time import time
from typing import Any

from darkroom import manifest
from darkroom.coordinates.pointer import current_number
from darkroom.coordinates.total import forget_sums
from darkroom.erasure import block_list, plan
from darkroom.erasure.block_list import BlockList
from darkroom.erasure.finding import has_to_be_read_again
from darkroom.erasure.outcome import Outcome, outcome_key
from darkroom.erasure.outcome import pack as pack_outcome
from darkroom.erasure.places import Places
from darkroom.erasure.plan import Plan, plan_key
from darkroom.erasure.planning import add_logs, make_plan, with_later_versions
from darkroom.erasure.refit import replace_version, restate_statistics
from darkroom.erasure.request import ErasureRequest
from darkroom.erasure.rewrite import drop_entries, drop_rows, restate_receipt
from darkroom.erasure.search import part_files
from darkroom.erasure.uploads import Left, StoredVersion
from darkroom.erasure.verify import Verified, Verifier
from darkroom.errors import ObjectNotFoundError, TransientError, UsageError
from darkroom.explore.packs import packs
from darkroom.layout import Run, batch_of, run_of
from darkroom.manifest import Entry
from darkroom.storage.read_ahead import read_ahead

_ROUNDS = 3
_CLOCK_SECONDS = 1  # S3 tells times in whole ones


@dataclass(frozen=True)
class Eraser:
    """Erases. `run` is the erasure's own."""

    run: Run
    places: Places

    def erase(self, requests: Sequence[ErasureRequest]) -> Outcome:
        """Remove all that the requests take, look for it once more, and leave the outcome. What
        cannot be removed is named there, and does not keep the rest.

        Goes on where an earlier attempt stopped. Raises `TransientError` where something is still
        found in the end.
        """
        todo = self._plan(requests)
        blocked = self._block(todo)
        todo = self._noted(todo, blocked=True)
        left = [
            *self.places.uploads.delete(todo.versions),
            *self.places.uploads.abort(todo.unfinished),
        ]
        todo = replace(todo, left=sorted({*todo.left, *left}))
        verifier = Verifier(self.places)
        for _ in range(_ROUNDS):  # a part that was written meanwhile takes another
            # nobody is at work on an export now
            self.places.exports.abort(self.places.exports.unfinished())
            emptied = self._clear_parts(todo, requests, blocked)
            todo = self._clear_runs(todo)
            self.places.logs.delete(sorted({*todo.logs, *verifier.naming_logs(todo)}))
            verified = verifier.look(todo, requests, blocked.erased)
            if not verified.found:
                outcome = self._outcome(todo, requests, emptied, verified)
                self.places.results.write(outcome_key(self.run), pack_outcome(outcome))
                return outcome
        raise TransientError(f"after {_ROUNDS} rounds something is still there: {verified.found}")

    def _plan(self, requests: Sequence[ErasureRequest]) -> Plan:
        """The plan that was begun; another where none was: until it is blocked nothing is removed,
        and what was uploaded and worked since has to go, too."""
        try:
            known = plan.unpack(self.places.results.read(plan_key(self.run)))
        except ObjectNotFoundError:
            known = None
        if known is not None and known.blocked:
            return with_later_versions(self._looked_for_again(known, requests), self.places.results)
        made = make_plan(self.places.results, self.places.uploads, requests, self.places.spread)
        add_logs(made, self.places.logs, self.places.log_folder)
        return self._noted(made)

    def _looked_for_again(self, known: Plan, requests: Sequence[ErasureRequest]) -> Plan:
        """The plan with what could not be listed the last time, and can be now."""
        again = [self.places.uploads.found(left.key) for left in known.left]
        listed = [version for found in again if not isinstance(found, Left) for version in found]
        news: list[StoredVersion] = []
        for version in listed:
            came_later = _stored_at(version) + _CLOCK_SECONDS > known.made_at
            if came_later and (version.key, version.version_id) not in known.uploads:
                continue
            for request in requests:
                mine = known.found[request.id].keys
                if version.key not in mine and request.selector.takes(
                    version.key, batch_of(version.key, "")
                ):
                    mine.append(version.key)
                if version.key in mine and version not in known.versions:
                    kind = "delete_markers" if version.is_marker else "upload_versions"
                    counts = known.found[request.id].counts
                    counts[kind] = counts.get(kind, 0) + 1
            if version.key in known.keys:
                news.append(version)
        return replace(
            known,
            versions=sorted({*known.versions, *news}),
            uploads=sorted({*known.uploads, *((v.key, v.version_id) for v in news)}),
            left=[found for found in again if isinstance(found, Left)],
        )

    def _noted(self, todo: Plan, **changes: Any) -> Plan:
        """The plan with changes, stored: an attempt that comes after this one goes on from it."""
        changed = replace(todo, **changes)
        self.places.results.write(plan_key(self.run), plan.pack(changed))
        return changed

    def _block(self, todo: Plan) -> BlockList:
        """First of all: nothing that goes may come back by another way."""
        uploads = [Entry("", key, version_id=upload) for key, upload in todo.uploads]

        def longer(known: BlockList) -> BlockList:
            for number, found in todo.found.items():
                known = known.with_contents(number, found.contents)
            return known.with_uploads(uploads)

        return block_list.change(self.places.results, longer)

    def _clear_parts(
        self, todo: Plan, requests: Sequence[ErasureRequest], blocked: BlockList
    ) -> list[str]:
        """Take the uploads out of the manifests; the parts that name nothing any more."""
        meant = filter(has_to_be_read_again(todo, requests), part_files(self.places.results))
        keys = [part.key for part in meant]
        left = read_ahead(
            lambda key: drop_entries(self.places.results, key, blocked.erased),
            keys,
            self.places.results.read_ahead,
        )
        return [key for key, entries in zip(keys, left, strict=True) if not entries]

    def _clear_runs(self, todo: Plan) -> Plan:
        """The plan, cleared; and a version of the coordinate system that never saw the images."""
        if not todo.cleared:  # once only: run numbers come again when their runs are forgotten
            self._clear_rows(todo)
            todo = self._noted(todo, cleared=True)
        replace_version(self.places.results, self.places.spread, todo.doomed)
        return todo

    def _clear_rows(self, todo: Plan) -> None:
        gone, keys = set(todo.removed), todo.keys
        changed = {*map(run_of, todo.files), *todo.featured, *todo.removed}
        if todo.featured:
            forget_sums(self.places.results, changed, alone=True)
        for version in todo.pca_versions:
            packs(version).forget(self.places.results, changed)
        shared = [item for item in sorted(todo.files.items()) if run_of(item[0]) not in gone]
        self.places.spread(drop_rows, shared)
        for run in todo.removed:
            self._remove(run, todo)
        for share in todo.kept:
            restate_receipt(self.places.results, share, keys, self.run.number, todo.made_at)
        for run in todo.featured:
            restate_statistics(self.places.results, self.places.spread, run)

    def _remove(self, run: Run, todo: Plan) -> None:
        """All of a run of which nothing stays. Its manifest names nothing any more: one that does
        is of uploads that came since, and took the number of a run that was forgotten."""
        if self._files_of(run):
            return
        placed = {run.results_pca(version) for version in todo.pca_versions}
        placed |= {file.rpartition("/")[0] for file in todo.files if run_of(file) == run}
        for folder in (*run.tables, run.manifest, *sorted(placed)):
            self.places.results.delete(self.places.results.list(folder))
        self.places.results.delete([run.statistics, run.csv, run.receipt, run.progress])

    def _outcome(
        self,
        todo: Plan,
        requests: Sequence[ErasureRequest],
        emptied: list[str],
        verified: Verified,
    ) -> Outcome:
        return Outcome(
            version=current_number(self.places.results),
            pca_before=todo.pca_versions,
            doomed=todo.doomed,
            runs=[(share.run, self._files_of(share.run)) for share in todo.kept],
            removed=todo.removed,
            batches=[
                value
                for request in requests
                if request.selector.kind == "batch"
                for value in request.selector.values
            ],
            csv=[run for run in todo.featured if run not in todo.removed],
            emptied=[key for key in emptied if key.startswith("incoming/")],
            found=todo.found,
            versions={number: todo.version_ids(found.keys) for number, found in todo.found.items()},
            looked_at=verified.looked_at,
            left={request.id: _left_of(request, todo) for request in requests},
            planned_at=todo.made_at,
            ended_at=time(),
        )

    def _files_of(self, run: Run) -> int:
        """How many files the run's manifest names, as far as it can be read."""
        count = 0
        for key in self.places.results.list(run.manifest, ".jsonl.gz"):
            with suppress(UsageError):
                count += len(manifest.unpack(self.places.results.read(key)))
        return count


def _stored_at(version: StoredVersion) -> float:
    return datetime.fromisoformat(version.stored_at).timestamp()


def _left_of(request: ErasureRequest, todo: Plan) -> list[Left]:
    """What is left of what a request takes."""
    mine = {*todo.found[request.id].keys, *request.selector.upload_prefixes}
    return sorted({left for left in todo.left if left.key in mine})
