"""The receipt of a data set that is no batch: decoded to the end, but not embedded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from darkroom.images.decoder_process import Wanted
from darkroom.images.features import Looked, look
from darkroom.images.fetch import fetch
from darkroom.images.outcome import Limits, Rejection
from darkroom.manifest import Entry
from darkroom.storage.opening import folder_of

_PART_FILES = 64
_SIZE = (224, 224)  # of the default backbone's input: large images are decoded as far as it needs


@dataclass(frozen=True, order=True)
class Refused:
    """A file that is no usable image, and why."""

    path: str
    reason: str
    detail: str


@dataclass
class Audit:
    """found = readable + rejected + missing; `skipped` are files that are no images. `copies` are
    groups of paths whose bytes are the same."""

    readable: int = 0
    refused: list[Refused] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    copies: list[list[str]] = field(default_factory=list)

    @property
    def by_reason(self) -> dict[str, int]:
        """How many files were refused for which reason."""
        return dict(sorted(Counter(one.reason for one in self.refused).items()))

    @property
    def missing(self) -> int:
        """How many were gone when they were to be read."""
        return self.by_reason.get("missing", 0)

    @property
    def rejected(self) -> int:
        """How many are no images that can be used."""
        return len(self.refused) - self.missing

    @property
    def found(self) -> int:
        """All files but the skipped."""
        return self.readable + len(self.refused)

    @property
    def equation(self) -> str:
        """The account in one line."""
        return (
            f"{self.found} found = {self.readable} readable + {self.rejected} rejected "
            f"+ {self.missing} missing"
        )


def audit(
    entries: Sequence[Entry], limits: Limits, workers: int, on_files: Callable[[int], None]
) -> Audit:
    """Read and decode every file, some at a time; `on_files` hears how many are through."""
    parts = [entries[at : at + _PART_FILES] for at in range(0, len(entries), _PART_FILES)]
    made, contents = Audit(), defaultdict[str, list[str]](list)
    wanted = Wanted(_SIZE, limits, thumbnail=False)

    def work(part: Sequence[Entry]) -> list[_Told]:
        return [_told(one) for one in look(fetch(part, limits), wanted)]

    done = 0
    with ThreadPoolExecutor(workers) as pool:
        for several in pool.map(work, parts):
            for told in several:
                _note(made, contents, told)
            done += len(several)
            on_files(done)
    made.copies = sorted(sorted(paths) for paths in contents.values() if len(paths) > 1)
    return made


@dataclass(frozen=True, slots=True)
class _Told:
    """What came of a file, without its pixels: `refused` None where nothing is wrong with it."""

    path: str
    content: str | None
    is_image: bool
    refused: Refused | None


def _told(one: Looked) -> _Told:
    path, outcome = one.entry.key, one.outcome
    refused = None
    if isinstance(outcome, Rejection):
        refused = Refused(path, outcome.reason, outcome.detail)
    return _Told(path, one.digest, outcome is not None, refused)


def _note(made: Audit, contents: dict[str, list[str]], told: _Told) -> None:
    if told.refused is not None:
        made.refused.append(told.refused)
    elif not told.is_image:
        made.skipped.append(told.path)
    else:
        made.readable += 1
        contents[told.content or ""].append(told.path)


def _spelled(entry: Entry, place: str) -> dict[str, str]:
    """How a table may name a file: by its key, below the folder, or in full."""
    below = entry.key.partition("/")[2]
    ways = {"key": entry.key, "full": f"{entry.store}/{entry.key}"}
    if entry.store.startswith("file:"):
        ways |= {"file": str(folder_of(entry.store) / entry.key), "given": f"{place}/{below}"}
    is_bucket = entry.store.startswith("s3:") and entry.store == place.rstrip("/")
    return ways if is_bucket else {**ways, "below": below}


@dataclass(frozen=True)
class Compared:
    """`without_row` are files that no row names, `without_file` what rows name that is no file, and
    `repeated` what several rows name."""

    without_row: list[str]
    without_file: list[str]
    repeated: list[str]


def compare(
    named: Sequence[str], entries: Sequence[Entry], skipped: Collection[str], place: str
) -> Compared:
    """Hold the paths of a table's rows against the files of a place; those that are no images need
    no row. All rows are taken to spell them in one way: the one that fits most of them."""
    ways: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        for way, spelled in _spelled(entry, place.rstrip("/")).items():
            ways[way][spelled] = entry.key
    counts = Counter(named)
    files = max(ways.values(), key=lambda known: len(counts.keys() & known.keys()))
    there = {files[name] for name in counts if name in files}.union(skipped)
    return Compared(
        [entry.key for entry in entries if entry.key not in there],
        sorted(name for name in counts if name not in files),
        sorted(name for name, count in counts.items() if count > 1),
    )
