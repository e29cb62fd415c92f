"""What every experiment ends with: each key is in one place, and in one alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from darkroom import manifest
from darkroom.layout import Run
from darkroom.run import receipt
from darkroom.storage.parquet import from_parquet
from darkroom.storage.store import Store
from functions.runs.records import RunRecord, State


def places_of(results: Store, runs: Iterable[Run]) -> dict[str, list[str]]:
    """For each key of the runs' manifests the folders that have a row of it; those of a run that
    are in none are `skipped`, if its receipt counts as many."""
    places: dict[str, list[str]] = {}
    for run in runs:
        keys = [entry.key for part in results.list(run.manifest)
                for entry in manifest.unpack(results.read(part))]  # fmt: skip
        rows: dict[str, list[str]] = defaultdict(list)
        for folder in (run.results, run.rejected):
            for file in results.list(folder, ".parquet"):
                for path in from_parquet(results.read(file), ["path"])["path"].to_pylist():
                    rows[path].append(folder.partition("/")[0])
        for key in keys:
            places.setdefault(key, []).extend(rows[key] or ["skipped"])
        account = receipt.unpack(results.read(run.receipt))
        account.require_balance()
        assert account.skipped == sum(places[key] == ["skipped"] for key in keys)
    return places


def assert_all_accounted(results: Store, records: Iterable[RunRecord], keys: Iterable[str]) -> None:
    """Every run is done, every key is in exactly one place."""
    records = list(records)
    assert {record.state for record in records} == {State.DONE}
    places = places_of(results, [record.key for record in records if record.images])
    assert sorted(places) == sorted(keys)
    wrong = {key: found for key, found in places.items() if len(found) != 1}
    assert wrong == {}
