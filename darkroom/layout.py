"""Where everything lies below the results' root. Keys only: they hold for a folder and a bucket."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

# What Hive and Spark escape in a partition's folder name; all else stays readable.
_ESCAPED = re.compile(r"[\x00-\x1f\"#%'*/:=?\\\x7f{}\[\]^]")

_LONGEST_BATCH = 600  # bytes; S3 keys end at 1,024

CURRENT_PCA = "pca/current.json"
TOTAL_STATISTICS = "pca/total.npz"

# The first folders of the Parquet files that have a row for each image.
TABLES = ("Results", "Results_PCA", "Rejected", "Skipped", "Thumbnails")

# Erasures are runs of a batch of their own, and so is the job that is under way; no upload's key
# can lead to them.
ERASURES = "/erasures"
JOBS = "/jobs"
BLOCK_LIST = "erasures/block-list.json"


def label_of(key: str) -> str:
    """The name of an image's parent folder; '' where it lies directly in its batch.

    >>> label_of("spring/Pêche plate/12.jpg"), label_of("spring/12.jpg")
    ('Pêche plate', '')
    """
    segments = key.split("/")
    return segments[-2] if len(segments) > 2 else ""


def batch_of(key: str, date: str) -> str:
    """The batch of an uploaded object: its key's first segment.

    An object at the bucket's root, or in a folder whose name could not name results, goes to the
    batch `loose-<date>` of its day (UTC).

    >>> batch_of("spring/apple/12.jpg", "2026-11-22"), batch_of("12.jpg", "2026-11-22")
    ('spring', 'loose-2026-11-22')
    """
    name, slash, _ = key.partition("/")
    usable = slash and name not in ("", ".", "..") and len(escape(name).encode()) <= _LONGEST_BATCH
    return name if usable else f"loose-{date}"


def archive_folder(key: str, batch: str) -> str:
    """Below which key the files of an archive of a batch lie, once it is unpacked: its own name, so
    that two archives never meet, nor an archive and a folder.

    >>> archive_folder("spring/fruits.zip", "spring"), archive_folder("a.zip", "loose-2026-11-26")
    ('spring/fruits.zip', 'loose-2026-11-26/a.zip')
    """
    return key if key.startswith(f"{batch}/") else f"{batch}/{key}"


def escape(name: str) -> str:
    """`name` as one folder name, by Hive's rule, which Spark, Glue and pandas read back."""
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", name)


@dataclass(frozen=True, order=True)
class Run:
    """One closing of a batch, numbered from 1, and the keys of what it leaves."""

    batch: str
    number: int

    @property
    def results(self) -> str:
        """Folder of the features' Parquet files."""
        return f"Results/{self._partition}"

    @property
    def rejected(self) -> str:
        """Folder of the Parquet files of rejected and missing images."""
        return f"Rejected/{self._partition}"

    @property
    def skipped(self) -> str:
        """Folder of the Parquet files of what is no image."""
        return f"Skipped/{self._partition}"

    @property
    def thumbnails(self) -> str:
        """Folder of the Parquet files of small pictures."""
        return f"Thumbnails/{self._partition}"

    @property
    def tables(self) -> tuple[str, ...]:
        """The folders of all Parquet files but the coordinates."""
        return (self.results, self.rejected, self.skipped, self.thumbnails)

    @property
    def counted(self) -> tuple[str, ...]:
        """The folders in one of which each file of the manifest has a row."""
        return (self.results, self.rejected, self.skipped)

    @property
    def statistics(self) -> str:
        """The run's share in the corpus' statistics."""
        return f"statistics/{self._partition}/statistics.npz"

    @property
    def receipt(self) -> str:
        """The receipt."""
        return f"receipts/{escape(self.batch)}/run={self.number}.json"

    @property
    def progress(self) -> str:
        """How far the job is; gone when it has ended."""
        return f"progress/{escape(self.batch)}/run={self.number}.json"

    @property
    def manifest(self) -> str:
        """Folder of the manifest's parts."""
        return f"manifests/{escape(self.batch)}/run={self.number}"

    @property
    def csv(self) -> str:
        """The CSV export."""
        return f"Results_CSV/{escape(self.batch)}/run={self.number}.csv"

    def results_pca(self, version: int) -> str:
        """Folder of the coordinates' Parquet files under one PCA version."""
        return f"{coordinates_folder(version)}/{self._partition}"

    @property
    def in_ascii(self) -> str:
        """The run where not every character can stand, as among a job's arguments: `run_in` reads
        it back.

        >>> Run("Pêche 1", 2).in_ascii, run_in("P%C3%AAche%201/2")
        ('P%C3%AAche%201/2', Run(batch='Pêche 1', number=2))
        """
        return f"{quote(self.batch, safe='')}/{self.number}"

    @property
    def erasure(self) -> str:
        """Folder of what an erasure works with; gone when it is done."""
        return f"erasures/work/run={self.number}"

    @property
    def _partition(self) -> str:
        return f"batch={escape(self.batch)}/run={self.number}"


def incoming_part(batch: str, part: str) -> str:
    """A manifest part of a run that is not closed yet."""
    return f"incoming/{escape(batch)}/{part}.jsonl.gz"


def run_of(key: str) -> Run:
    """The run whose Parquet file or manifest part lies under this key.

    >>> run_of("Results/batch=a%2Fb/run=2/part-00000.parquet")
    Run(batch='a/b', number=2)
    >>> run_of("manifests/spring/run=1/part-00000.jsonl.gz")
    Run(batch='spring', number=1)
    """
    batch, number = key.split("/")[-3:-1]
    return Run(unquote(batch.removeprefix("batch=")), int(number.removeprefix("run=")))


def run_in(text: str) -> Run:
    """The run that `Run.in_ascii` names. Raises `ValueError` for anything else."""
    batch, _, number = text.rpartition("/")
    if not batch or not re.fullmatch("[1-9][0-9]{0,8}", number):
        raise ValueError(f"{text!r} names no run")
    return Run(unquote(batch, errors="strict"), int(number))


def erasure_request(number: str) -> str:
    """What is to be erased: there until it is."""
    return f"erasures/requests/{number}.json"


def erasure_certificate(number: str) -> str:
    """What was erased, without naming it."""
    return f"erasures/{number}.json"


def pca_model(version: int) -> str:
    """Folder of one PCA version."""
    return f"pca/model={version}"


def coordinates_folder(version: int) -> str:
    """Folder of all coordinates under one PCA version."""
    return f"Results_PCA/model={version}"


def points_folder(version: int) -> str:
    """Folder of the packs of points of one PCA version."""
    return f"{coordinates_folder(version)}/points"


def part_file(first: int, last: int | None = None) -> str:
    """The name of a Parquet file with the rows of a part of the manifest, or of several.

    >>> part_file(3), part_file(0, 3)
    ('part-00003.parquet', 'part-00000-00003.parquet')
    """
    return f"part-{first:05d}.parquet" if last is None else f"part-{first:05d}-{last:05d}.parquet"
