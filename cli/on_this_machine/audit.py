"""`darkroom audit`: the receipt of a data set that Darkroom did not make."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from cli.terminal.account import account_lines
from cli.terminal.left_out import say_left_out
from cli.terminal.progress import Progress
from cli.terminal.say import say
from darkroom.errors import UsageError
from darkroom.images.audit import Audit, Compared, audit, compare
from darkroom.images.decoder import start_decoders
from darkroom.images.outcome import Limits
from darkroom.manifest import Entry
from darkroom.run.csv_export import original_text
from darkroom.run.folder import LeftOut, scan_folder
from darkroom.run.unpacking import unpacked
from emr_serverless_job.listing import list_store

_NAMED = 20  # of each kind, for people


@dataclass(frozen=True)
class Audited:
    """What was found; `compared` None without a table. `unreachable` is in no account."""

    audit: Audit
    compared: Compared | None
    unreachable: list[LeftOut]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong; copies are no fault."""
        gaps = self.compared and (
            self.compared.without_row or self.compared.without_file or self.compared.repeated
        )
        return not (self.audit.refused or gaps or self.unreachable)

    def told(self) -> dict[str, Any]:
        """For programs."""
        found = self.audit
        return {
            "clean": self.is_clean,
            "found": found.found,
            "readable": found.readable,
            "rejected": found.rejected,
            "missing": found.missing,
            "rejected_by_reason": found.by_reason,
            "refused": [asdict(one) for one in sorted(found.refused)],
            "skipped": found.skipped,
            "copies": found.copies,
            "unreachable": [asdict(one) for one in self.unreachable],
            **(asdict(self.compared) if self.compared else {}),
        }


def audit_place(
    place: str, against: Path | None, column: str, limits: Limits, cores: int
) -> Audited:
    """Audit a folder, or what lies below an `s3://` address. Raises `UsageError`."""
    named = paths_in(against, column) if against else None
    with _entries(place, limits) as (entries, unreachable):
        if not entries:
            raise UsageError(f"there are no files in {place}")
        start_decoders(cores)
        progress = Progress(len(entries), sys.stderr)
        try:
            found = audit(entries, limits, cores, progress.show)
        finally:
            progress.close()
        gaps = compare(named, entries, found.skipped, place) if named is not None else None
    return Audited(found, gaps, unreachable)


@contextmanager
def _entries(place: str, limits: Limits) -> Iterator[tuple[list[Entry], list[LeftOut]]]:
    if place.startswith("s3://"):
        yield list_store(place), []
        return
    if not Path(place).is_dir():
        raise UsageError(f"{place} is neither a folder nor an s3:// address")
    with tempfile.TemporaryDirectory(prefix="darkroom-audit-") as room:
        scan = unpacked(scan_folder(Path(place)), Path(room), limits.max_bytes)
        say_left_out(scan, err=True)
        yield scan.entries, scan.unreachable


def paths_in(table: Path, column: str) -> list[str]:
    """The paths that the rows of a Parquet or CSV file name. Raises `UsageError`."""
    try:
        if table.suffix.lower() == ".csv":
            as_text = pa.csv.ConvertOptions(column_types={column: pa.string()})
            rows = pa.csv.read_csv(table, convert_options=as_text)
            return list(map(original_text, rows[column].drop_null().to_pylist()))
        rows = pa.parquet.read_table(table, columns=[column])
        return list(rows[column].cast(pa.string()).drop_null().to_pylist())
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UsageError(
            f"{table}: no column {column!r} of paths can be read there: {error}; "
            "name another with --column"
        ) from error


def say_audit(place: str, audited: Audited) -> None:
    """For people."""
    found, gaps = audited.audit, audited.compared
    say(f"audit of {place}")
    say("\n".join(account_lines(found.equation, found.by_reason, len(found.skipped))))
    copies = sum(len(paths) - 1 for paths in found.copies)
    say(f"  copies      {copies} images repeat another's bytes")
    _name("rejected", [f"{one.path}: {one.reason} {one.detail}" for one in sorted(found.refused)])
    _name("copies", [" = ".join(paths) for paths in found.copies])
    if gaps is not None:
        _name("files without a row", gaps.without_row)
        _name("rows without a file", gaps.without_file)
        _name("files with several rows", gaps.repeated)
    _name("not reached, and in no account", list(map(str, audited.unreachable)))


def _name(what: str, names: Sequence[str]) -> None:
    if not names:
        return
    say(f"\n{what}: {len(names)}")
    for name in names[:_NAMED]:
        say(f"  {name}")
    if len(names) > _NAMED:
        say(f"  and {len(names) - _NAMED} more (--json names all)")
