"""Runs in the Glue Data Catalog: partitions, and the view of the current PCA version."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from darkroom.errors import TransientError
from darkroom.layout import Run
from darkroom.storage.read_ahead import read_ahead

FEATURES = "features"
PCA_VERSIONS = "features_pca_versions"
REJECTED = "rejected"
SKIPPED = "skipped"
CSV = "results_csv"
CURRENT_PCA_VIEW = "features_pca"

_PARTITIONS_PER_CALL = 100
_REMOVALS = 8  # at once
_VIEW_COLUMNS = (
    ("path", "string", "varchar"),
    ("label", "string", "varchar"),
    ("pca", "array<float>", "array(real)"),
    ("content_sha256", "string", "varchar"),
    ("backbone", "string", "varchar"),
    ("batch", "string", "varchar"),
    ("run", "int", "integer"),
)


@dataclass(frozen=True)
class Partition:
    """Partition values in the table's order, and the folder of the data."""

    values: tuple[str, ...]
    folder: str


@dataclass(frozen=True)
class GlueCatalog:
    """One database. `glue` is a boto3 client; `results` the URI of the results bucket."""

    glue: Any
    database: str
    results: str

    def add_run(self, run: Run) -> None:
        """Show a run's features, rejected and skipped files, and CSV. Repeating it changes
        nothing."""
        values = (run.batch, str(run.number))
        self._add(FEATURES, [Partition(values, run.results)])
        self._add(REJECTED, [Partition(values, run.rejected)])
        self._add(SKIPPED, [Partition(values, run.skipped)])
        self._add(CSV, [Partition((run.batch,), run.csv.rpartition("/")[0])])

    def add_coordinates(self, version: int, runs: Iterable[Run]) -> None:
        """Show runs' coordinates in one PCA version. Repeating it changes nothing."""
        self._add(
            PCA_VERSIONS,
            [
                Partition((str(version), run.batch, str(run.number)), run.results_pca(version))
                for run in runs
            ],
        )

    def current_version(self) -> int:
        """The PCA version that the view shows; 0 before the first."""
        view = self._view()
        return int(view["Parameters"]["pca_version"]) if view else 0

    def show_version(self, version: int) -> None:
        """Let the view show a PCA version, in one step; never an older one than it shows."""
        view, definition = self._view(), _view_definition(self.database, version)
        if view is None:
            try:
                self.glue.create_table(DatabaseName=self.database, TableInput=definition)
            except self.glue.exceptions.AlreadyExistsException:
                self.show_version(version)
        elif int(view["Parameters"]["pca_version"]) < version:
            lock = {"VersionId": view["VersionId"]} if "VersionId" in view else {}
            self.glue.update_table(DatabaseName=self.database, TableInput=definition, **lock)

    def drop_view(self) -> None:
        """No coordinates are left to be shown. Safe to repeat."""
        with suppress(self.glue.exceptions.EntityNotFoundException):
            self.glue.delete_table(DatabaseName=self.database, Name=CURRENT_PCA_VIEW)

    def remove_version(self, version: int) -> None:
        """Forget a PCA version's partitions. Safe to repeat."""
        pages = self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=self.database, TableName=PCA_VERSIONS, ExcludeColumnSchema=True
        )
        there = (part["Values"] for page in pages for part in page["Partitions"])
        self._remove(PCA_VERSIONS, [values for values in there if values[0] == str(version)])

    def remove_runs(self, runs: Iterable[Run], versions: Iterable[int]) -> None:
        """Forget runs of which nothing is left. Safe to repeat."""
        gone = [[run.batch, str(run.number)] for run in runs]
        for table in (FEATURES, REJECTED, SKIPPED):
            self._remove(table, gone)
        self._remove(CSV, [[batch] for batch in dict.fromkeys(batch for batch, _ in gone)])
        self._remove(PCA_VERSIONS, [[str(version), *run] for version in versions for run in gone])

    def _remove(self, table: str, several: Iterable[Sequence[str]]) -> None:
        """Side by side: one call for many is not in every cloud."""

        def remove(values: Sequence[str]) -> None:
            with suppress(self.glue.exceptions.EntityNotFoundException):
                self.glue.delete_partition(
                    DatabaseName=self.database, TableName=table, PartitionValues=list(values)
                )

        for _ in read_ahead(remove, several, _REMOVALS):
            pass

    def _view(self) -> dict[str, Any] | None:
        try:
            answer = self.glue.get_table(DatabaseName=self.database, Name=CURRENT_PCA_VIEW)
        except self.glue.exceptions.EntityNotFoundException:
            return None
        return dict(answer["Table"])

    def _add(self, table: str, partitions: list[Partition]) -> None:
        told = self.glue.get_table(DatabaseName=self.database, Name=table)["Table"]
        inputs = [
            {
                "Values": list(partition.values),
                "StorageDescriptor": {
                    **told["StorageDescriptor"],
                    "Location": f"{self.results}/{partition.folder}/",
                },
            }
            for partition in partitions
        ]
        for start in range(0, len(inputs), _PARTITIONS_PER_CALL):
            answer = self.glue.batch_create_partition(
                DatabaseName=self.database,
                TableName=table,
                PartitionInputList=inputs[start : start + _PARTITIONS_PER_CALL],
            )
            failed = [
                error
                for error in answer.get("Errors", [])
                if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException"
            ]
            if failed:
                raise TransientError(f"Glue table {table}: {failed[:3]}")


def _view_definition(database: str, version: int) -> dict[str, Any]:
    """An Athena view over one PCA version. Athena reads the JSON in the comment, Spark and others
    the partitions of the table below it."""
    names = ", ".join(f'"{name}"' for name, _, _ in _VIEW_COLUMNS)
    presto = {
        "originalSql": f'SELECT {names} FROM "{PCA_VERSIONS}" WHERE "model" = {version}',
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": name, "type": kind} for name, _, kind in _VIEW_COLUMNS],
    }
    encoded = base64.b64encode(json.dumps(presto).encode()).decode()
    return {
        "Name": CURRENT_PCA_VIEW,
        "TableType": "VIRTUAL_VIEW",
        "Description": f"Coordinates of every batch in PCA version {version}, the current one",
        "Parameters": {"presto_view": "true", "comment": "Presto View",
                       "pca_version": str(version)},
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": kind} for name, kind, _ in _VIEW_COLUMNS],
            "Location": "",
            "SerdeInfo": {},
        },
        "PartitionKeys": [],
        "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */",
    }  # fmt: skip
