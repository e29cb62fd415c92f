"""After everything was removed: looking for it once more, everywhere that the job can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from darkroom import receipt
from darkroom.erasure.mentions import Mentions, logs_that_mention
from darkroom.erasure.plan import Plan
from darkroom.erasure.search import Spread, all_parts, all_rows
from darkroom.erasure.uploads import Uploads
from darkroom.manifest import Entry
from darkroom.read_ahead import read_ahead
from darkroom.storage import Store

_LISTINGS = 8  # at once


@dataclass(frozen=True)
class Verified:
    """How much was looked at in each place, and how much was found there, where any was."""

    looked_at: dict[str, int]
    found: dict[str, int]


@dataclass(frozen=True)
class Verifier:
    """Looks for what a plan removed. `exports` is the results' bucket; `logs` holds the jobs' logs
    below `log_folder`."""

    results: Store
    uploads: Uploads
    exports: Uploads
    logs: Store
    log_folder: str
    spread: Spread

    def look(self, plan: Plan, erased: Callable[[Entry], bool]) -> Verified:
        """Search rows, coordinates, manifests, receipts and uploads. `erased` tells of an
        upload that it was."""
        keys, contents = plan.keys, plan.contents
        rows = list(all_rows(self.results, self.spread))
        entries = [entry for part in all_parts(self.results) for entry in part.entries]
        duplicates = self._duplicates(plan)
        stored = self._versions(plan)
        gone = {(version.key, version.version_id) for version in plan.versions}
        planned = set(plan.unfinished)
        logs = self.logs.list(self.log_folder)
        found = {
            "rows": sum(row.path in keys or row.content in contents for row in rows),
            "manifest_entries": sum(map(erased, entries)),
            "upload_versions": sum(version in gone for version in stored),
            "unfinished_uploads": sum(u in planned for u in self.uploads.unfinished()),
            "unfinished_exports": len(list(self.exports.unfinished())),
            "duplicates": sum(path in keys for path in duplicates),
        }
        looked_at = {
            "rows": len(rows),
            "manifest_entries": len(entries),
            "upload_keys": len({version.key for version in plan.versions}),
            "receipts": len(plan.kept),
            "job_logs": len(logs),
        }
        return Verified(looked_at, {place: count for place, count in found.items() if count})

    def naming_logs(self, plan: Plan) -> list[str]:
        """The jobs' logs that name an image."""
        mentions = Mentions(plan.keys, plan.contents)
        return sorted(logs_that_mention(self.logs, self.log_folder, {"": mentions}))

    def _duplicates(self, plan: Plan) -> list[str]:
        """The names in the receipts of all runs of which something stays."""
        keys = [share.run.receipt for share in plan.kept]
        there = {key for folder in {key.rpartition("/")[0] for key in keys}
                 for key in self.results.list(folder)}  # fmt: skip
        accounts = (receipt.unpack(self.results.read(key)) for key in keys if key in there)
        return [path for account in accounts for group in account.duplicates.groups
                for path in group]  # fmt: skip

    def _versions(self, plan: Plan) -> list[tuple[str, str]]:
        """What the bucket still has under the keys that had something."""
        keys = sorted({version.key for version in plan.versions})
        listed = read_ahead(self.uploads.versions, keys, _LISTINGS)
        return [(version.key, version.version_id) for several in listed for version in several]
