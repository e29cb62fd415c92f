"""After everything was removed: looking for it once more, everywhere that the job can see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from darkroom import manifest
from darkroom.erasure.mentions import Mentions, logs_that_mention
from darkroom.erasure.plan import Plan
from darkroom.erasure.search import Spread, parquet_files, part_keys, rows_in
from darkroom.erasure.uploads import Uploads
from darkroom.layout import Run
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
    """Looks for what a plan removed. `logs` holds the jobs' logs below `log_folder`."""

    results: Store
    uploads: Uploads
    logs: Store
    log_folder: str
    spread: Spread

    def look(self, plan: Plan, erased: Callable[[Entry], bool]) -> Verified:
        """Search rows, coordinates, manifests, receipts, uploads and logs. `erased` tells of an
        upload that it was."""
        keys, contents = plan.keys, plan.contents
        mentions = Mentions(keys, contents)
        rows = list(rows_in(self.results, self.spread, self._parquet_files()))
        entries = self._entries()
        texts = self._texts(plan)
        stored = self._versions(plan)
        gone = {(version.key, version.version_id) for version in plan.versions}
        logs = self.logs.list(self.log_folder)
        found = {
            "rows": sum(row.path in keys or row.content in contents for row in rows),
            "manifest_entries": sum(map(erased, entries)),
            "upload_versions": sum(version in gone for version in stored),
            "texts": sum(map(mentions.in_text, texts)),
            "job_logs": len(logs_that_mention(self.logs, self.log_folder, mentions)),
        }
        looked_at = {
            "rows": len(rows),
            "manifest_entries": len(entries),
            "upload_versions": len(stored),
            "texts": len(texts),
            "job_logs": len(logs),
        }
        return Verified(looked_at, {place: count for place, count in found.items() if count})

    def _parquet_files(self) -> list[str]:
        return [*parquet_files(self.results), *self.results.list("Results_PCA", ".parquet")]

    def _entries(self) -> list[Entry]:
        parts = read_ahead(self.results.read, part_keys(self.results), self.results.read_ahead)
        return [entry for part in parts for entry in manifest.unpack(part)]

    def _texts(self, plan: Plan) -> list[str]:
        """Receipts and descriptions of PCA versions, in full."""
        runs = [run for run in plan.runs if run not in plan.removed]
        keys = {key for run in runs for key in self._receipts(run)}
        keys |= set(self.results.list("pca", ".json"))
        return [self.results.read(key).decode() for key in sorted(keys)]

    def _receipts(self, run: Run) -> list[str]:
        return self.results.list(run.receipt.rpartition("/")[0], ".json")

    def _versions(self, plan: Plan) -> list[tuple[str, str]]:
        """What the bucket still has under the keys that had something."""
        keys = sorted({version.key for version in plan.versions})
        listed = read_ahead(self.uploads.versions, keys, _LISTINGS)
        return [(version.key, version.version_id) for several in listed for version in several]
