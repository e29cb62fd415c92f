"""`darkroom get`: a batch's results into a folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli.on_stack.stack import Stack
from cli.on_stack.status import chosen
from cli.on_stack.transfer import in_parallel
from darkroom.coordinates.pointer import current_number
from darkroom.errors import ObjectNotFoundError, UsageError
from darkroom.explore.export import atlas_key, fiftyone_folder, write_atlas, write_fiftyone
from darkroom.layout import CURRENT_PCA, Run, pca_model, run_of
from darkroom.storage.local import LocalStore
from functions.runs.records import RunRecord, State
from functions.runs.wording import words


@dataclass(frozen=True)
class Got:
    """How many files there are, which of an earlier time the bucket holds no longer, and the file
    for embedding-atlas."""

    files: int
    stale: list[Path]
    explore: Path | None = None


def get_batch(stack: Stack, batch: str, out: Path, fiftyone: bool = False) -> Got:
    """Download what the batch's finished runs left, in the results' own layout, with coordinates in
    the current PCA version; from these, make files that other tools open."""
    done = [record for record in stack.runs.of_batch(batch) if record.state == State.DONE]
    if not done:
        newest = words(chosen(stack, batch, None), stack.closing_rules)
        raise UsageError(f"batch {batch!r} has no finished run: {newest}")
    version = current_number(stack.results)
    keys = [key for record in done for key in _keys(stack, record, version)]
    if version:
        keys += [CURRENT_PCA, *stack.results.list(pca_model(version))]
    store = LocalStore(out)
    files = sum(in_parallel(partial(_fetch, stack, store), keys, f"from {batch}"))
    runs = [record.key for record in done]
    if fiftyone or store.list(fiftyone_folder(batch)):  # it may hold what was erased since
        write_fiftyone(store, runs, batch)
    store.delete([atlas_key(batch)])
    if version:
        write_atlas(store, runs, version, batch)
    explore = store.root / atlas_key(batch) if version else None
    return Got(files, _stale(store, batch, set(keys)), explore)


def _stale(store: LocalStore, batch: str, keys: set[str]) -> list[Path]:
    """Files of the batch, and of PCA versions, that an earlier download left."""
    run = Run(batch, 0)
    folders = [name.rpartition("/")[0] for name in (*run.tables, run.receipt, run.csv)]
    there = [key for folder in [*folders, "pca"] for key in store.list(folder)]
    there += [key for key in store.list("Results_PCA", ".parquet") if run_of(key).batch == batch]
    return [store.root / key for key in sorted(set(there) - keys)]


def _keys(stack: Stack, record: RunRecord, version: int) -> list[str]:
    run, files = record.key, [record.key.receipt]
    folders = [*run.tables]
    if version:
        folders.append(run.results_pca(version))
        files.append(run.csv)
    return files + [key for folder in folders for key in stack.results.list(folder)]


def _fetch(stack: Stack, store: LocalStore, key: str) -> int:
    try:
        store.write(key, stack.results.read(key))
    except ObjectNotFoundError:  # a run without good images has no CSV before the first PCA
        return 0
    return 1
