"""The CSV export of a million rows of 50 components: seconds and memory of one process.

    python -m benchmarks.csv_export [--rows N]

The writer is the functions', with a folder in place of S3. The reference is the same file by
pandas, in one piece.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from time import monotonic

import numpy as np
import pyarrow as pa
from botocore.exceptions import ClientError

from benchmarks.record import save
from darkroom.coordinates.vectors import vector_column
from darkroom.layout import Run
from darkroom.storage.parquet import COMPONENTS, PCA_SCHEMA, to_parquet

ROWS = 1_000_000
_ROWS_PER_FILE = 256
_RUN = Run("bench", 1)
METHOD = f"""\
{ROWS:,} rows x {COMPONENTS} random float32 in Parquet files of {_ROWS_PER_FILE} rows, as the job
leaves them. The functions' `CsvWriter` (8 MB parts) reads and writes through a boto3 client whose
S3 is a folder; peak memory is the process' (ru_maxrss). The reference reads the same files into
pandas and calls `to_csv`, in a process of its own."""


class FolderS3:
    """The few calls that the writer makes of a boto3 S3 client, on a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def head_object(self, **words: str) -> dict[str, object]:  # noqa: D102
        absent = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
        raise ClientError(absent, "HeadObject")

    def get_object(self, Bucket: str, Key: str) -> dict[str, object]:  # noqa: N803, D102
        path = self.root / Key
        return {"Body": path.open("rb"), "ETag": str(path.stat().st_mtime_ns)}

    def get_paginator(self, name: str) -> FolderS3:  # noqa: D102
        return self

    def paginate(self, **words: str) -> list[dict[str, list[dict[str, object]]]]:  # noqa: D102
        if "UploadId" in words:
            parts = sorted(self.root.glob("upload-*"))
            return [{"Parts": [{"PartNumber": int(p.name[7:]), "ETag": ""} for p in parts]}]
        found = sorted((self.root / words["Prefix"]).rglob("*.parquet"))
        keys = [{"Key": str(p.relative_to(self.root)), "Size": p.stat().st_size} for p in found]
        return [{"Contents": keys}]

    def create_multipart_upload(self, **words: object) -> dict[str, str]:  # noqa: D102
        return {"UploadId": "1"}

    def upload_part(self, PartNumber: int, Body: bytes, **words: object) -> None:  # noqa: N803, D102
        (self.root / f"upload-{PartNumber:05d}").write_bytes(Body)

    def complete_multipart_upload(self, **words: object) -> None:  # noqa: D102
        pass


def make_files(root: Path, rows: int) -> None:
    """Coordinates as the job writes them, and the names of the features' files."""
    random = np.random.default_rng(0)
    folder = root / _RUN.results_pca(1)
    folder.mkdir(parents=True)
    features = root / _RUN.results
    features.mkdir(parents=True)
    for number, start in enumerate(range(0, rows, _ROWS_PER_FILE)):
        count = min(_ROWS_PER_FILE, rows - start)
        names = [f"bench/Pêche plate/{start + row}.jpg" for row in range(count)]
        columns = {
            "path": pa.array(names),
            "label": pa.array(["Pêche plate"] * count),
            "pca": vector_column(random.normal(size=(count, COMPONENTS)).astype(np.float32)),
            "content_sha256": pa.array([sha256(name.encode()).hexdigest() for name in names]),
            "backbone": pa.array(["0" * 64] * count),
        }
        table = pa.table([columns[name] for name in PCA_SCHEMA.names], schema=PCA_SCHEMA)
        (folder / f"part-{number:05d}.parquet").write_bytes(to_parquet(table))
        (features / f"part-{number:05d}.parquet").touch()


def export(root: Path) -> None:
    """In a process of its own: the functions' export."""
    from functions.aws.bucket import Bucket
    from functions.publication.csv_writer import CsvWriter

    writer = CsvWriter(Bucket(FolderS3(root), "results"))
    began = monotonic()
    if writer.export(_RUN, 1, None, lambda: False) is not None:
        raise SystemExit("the export did not end")
    _tell(began)


def reference(root: Path) -> None:
    """In a process of its own: pandas, in one piece."""
    import pyarrow.parquet as pq

    began = monotonic()
    table = pq.read_table(root / _RUN.results_pca(1), columns=["path", "label", "pca"])
    frame = table.select(["path", "label"]).to_pandas()
    flat = table["pca"].combine_chunks().flatten().to_numpy().reshape(-1, COMPONENTS)
    for at in range(COMPONENTS):
        frame[f"pc_{at + 1:02d}"] = flat[:, at]
    frame.to_csv(root / "reference.csv", index=False, lineterminator="\r\n")
    _tell(began)


def _tell(began: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": round(monotonic() - began, 1), "megabytes": round(peak)}))


def _measured(way: str, root: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.csv_export", "--only", way, "--root", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    numbers: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--only", choices=["export", "reference"])
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    if options.only:
        {"export": export, "reference": reference}[options.only](options.root)
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_files(root, options.rows)
        ours, pandas = _measured("export", root), _measured("reference", root)
        size = sum(part.stat().st_size for part in root.glob("upload-*"))
    ratio = round(pandas["seconds"] / ours["seconds"], 2)
    numbers = {"rows": options.rows, "export": ours, "pandas": pandas, "times_as_fast": ratio,
               "file_bytes": size}  # fmt: skip
    save("csv_export", METHOD, numbers)


if __name__ == "__main__":
    main()
