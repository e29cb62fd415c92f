"""After everything was removed: looking for it once more, everywhere that the job can see."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from darkroom.erasure.finding import has_to_be_read_again
from darkroom.erasure.mentions import Mentions, logs_that_mention
from darkroom.erasure.places import Places
from darkroom.erasure.plan import Plan
from darkroom.erasure.request import ErasureRequest
from darkroom.erasure.search import part_files, parts_in, rows_in, table_files
from darkroom.explore.packs import names_in_pack, packs
from darkroom.manifest import Entry
from darkroom.run import receipt
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

_LISTINGS = 8  # at once


@dataclass(frozen=True)
class Verified:
    """How much was looked at in each place, and how much was found there, where any was."""

    looked_at: dict[str, int]
    found: dict[str, int]


@dataclass(frozen=True)
class Verifier:
    """Looks for what a plan removed."""

    places: Places

    def look(
        self, plan: Plan, requests: Sequence[ErasureRequest], erased: Callable[[Entry], bool]
    ) -> Verified:
        """Search rows, coordinates, manifests, receipts and uploads, wherever anything was, or was
        written since. `erased` tells of an upload that it was."""
        keys, contents = plan.keys, plan.contents
        results, is_meant = self.places.results, has_to_be_read_again(plan, requests)
        files = table_files(results)
        again = list(filter(is_meant, files))
        rows = list(rows_in(results, self.places.spread, again))
        parts, unreadable = parts_in(results, list(filter(is_meant, part_files(results))))
        entries = [entry for part in parts for entry in part.entries]
        duplicates = self._duplicates(plan)
        stored = self._versions(plan)
        gone = {(version.key, version.version_id) for version in plan.versions}
        left = {one.key for one in plan.left}
        planned = set(plan.unfinished)
        logs = self.places.logs.list(self.places.log_folder)
        found = {
            "rows": sum(row.path in keys or row.content in contents for row in rows),
            "manifest_entries": sum(map(erased, entries)),
            "upload_versions": sum(version in gone for version in stored),
            "unfinished_uploads": sum(
                upload in planned and upload.key not in left
                for upload in self.places.uploads.unfinished()
            ),
            "unfinished_exports": len(list(self.places.exports.unfinished())),
            "duplicates": sum(path in keys for path in duplicates),
            "packed_points": self._packed(plan),
        }
        looked_at = {
            "rows": len(rows),
            "unchanged_files": len(files) - len(again),
            "manifest_entries": len(entries),
            "upload_keys": len({version.key for version in plan.versions} - left),
            "receipts": len(plan.kept),
            "job_logs": len(logs),
            **({"unreadable_manifest_parts": len(unreadable)} if unreadable else {}),
        }
        return Verified(looked_at, {place: count for place, count in found.items() if count})

    def naming_logs(self, plan: Plan) -> list[str]:
        """The jobs' logs that name an image."""
        mentions = Mentions(plan.keys, plan.contents)
        return sorted(logs_that_mention(self.places.logs, self.places.log_folder, {"": mentions}))

    def _duplicates(self, plan: Plan) -> list[str]:
        """The names in the receipts of all runs of which something stays."""
        keys = [share.run.receipt for share in plan.kept]
        there = {key for folder in {key.rpartition("/")[0] for key in keys}
                 for key in self.places.results.list(folder)}  # fmt: skip
        accounts = (receipt.unpack(self.places.results.read(key)) for key in keys if key in there)
        return [path for account in accounts for group in account.duplicates.groups
                for path in group]  # fmt: skip

    def _packed(self, plan: Plan) -> int:
        """How many rows of the packs of points there are name what was removed."""
        results, names = self.places.results, partial(_named, plan.keys, plan.contents)
        there = [key for version in plan.pca_versions for key in packs(version).all(results)]
        return sum(self.places.spread(names, there))

    def _versions(self, plan: Plan) -> list[tuple[str, str]]:
        """What the bucket still has under the keys that had something, but for those of which it
        is known."""
        keys = sorted({version.key for version in plan.versions} - {one.key for one in plan.left})
        listed = read_ahead(self.places.uploads.versions, keys, _LISTINGS)
        return [(version.key, version.version_id) for several in listed for version in several]


def _named(keys: Collection[str], contents: Collection[str], store: Store, pack: str) -> int:
    return sum(path in keys or content in contents for path, content in names_in_pack(store, pack))
