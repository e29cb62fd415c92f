"""`darkroom get`: a batch's results into a folder."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from darkroom.cli.stack import Stack
from darkroom.cli.status import chosen, words
from darkroom.cli.transfer import in_parallel
from darkroom.errors import ObjectNotFoundError, UsageError
from darkroom.layout import CURRENT_PCA, pca_model
from darkroom.storage import LocalStore
from functions.records import RunRecord, State


def get_batch(stack: Stack, batch: str, out: Path) -> int:
    """Download what the batch's finished runs left, in the results' own layout, with coordinates in
    the current PCA version. The number of files."""
    done = [record for record in stack.runs.of_batch(batch) if record.state == State.DONE]
    if not done:
        newest = words(chosen(stack, batch, None), stack.closing_rules)
        raise UsageError(f"batch {batch!r} has no finished run: {newest}")
    version = _pca_version(stack)
    keys = [key for record in done for key in _keys(stack, record, version)]
    if version:
        keys += [CURRENT_PCA, *stack.results.list(pca_model(version))]
    store = LocalStore(out)
    return sum(in_parallel(partial(_fetch, stack, store), keys, f"from {batch}"))


def _keys(stack: Stack, record: RunRecord, version: int | None) -> list[str]:
    run, files = record.key, [record.key.receipt]
    folders = [run.results, run.rejected]
    if version:
        folders.append(run.results_pca(version))
        files.append(run.csv)
    return files + [key for folder in folders for key in stack.results.list(folder)]


def _pca_version(stack: Stack) -> int | None:
    try:
        return int(json.loads(stack.results.read(CURRENT_PCA))["version"])
    except ObjectNotFoundError:
        return None


def _fetch(stack: Stack, store: LocalStore, key: str) -> int:
    try:
        store.write(key, stack.results.read(key))
    except ObjectNotFoundError:  # a run without good images has no CSV before the first PCA
        return 0
    return 1
