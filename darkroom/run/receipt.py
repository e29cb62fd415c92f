"""The account of a run: found = processed + rejected + missing, or it is not done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from darkroom.errors import UnbalancedReceiptError
from darkroom.layout import Run
from darkroom.storage.read_ahead import read_ahead
from darkroom.storage.store import Store

NAMED_DUPLICATES = 1000


@dataclass(frozen=True)
class PcaNote:
    """What the receipt says of the coordinates. Shares are 0 to 1."""

    version: int
    refitted: bool
    components: int
    variance_kept: float


@dataclass(frozen=True)
class Duplicates:
    """Images of the run with the same bytes as another: how many there are beyond the first of
    each, and the paths of each group (the first `NAMED_DUPLICATES` groups, by path)."""

    images: int = 0
    groups: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class DriftNote:
    """How far the run is from the `images` before it, and from the run before (squared Fréchet
    distances of features); `halves` is how far its own halves are from each other. `labels` gives
    the share of the shift of the mean that comes from each, the largest first. `unlike` is the
    verdict; None where there is none, and `words` say why."""

    words: str
    unlike: bool | None = None
    distance: float | None = None
    from_previous: float | None = None
    halves: float | None = None
    images: int = 0
    labels: dict[str, float] = field(default_factory=dict)

    @property
    def words_with_label(self) -> str:
        """With the label that most of it comes from: not for messages, which nothing erases."""
        name, share = next(iter(self.labels.items()), ("", 0.0))
        if not (self.unlike and name):
            return self.words
        return f"{self.words}; {min(share, 1):.0%} of the shift comes from label {name}"


@dataclass(frozen=True)
class Receipt:
    """One run's receipt. `processed`, `rejected` and `missing` are counted in what was stored,
    `found` in the manifest less the files that are no images (`skipped`). `expected` is how many
    files the batch's marker announced; `pixels` is the id of the contract by which bytes became
    pixels; `with_more_pages` is how many of the processed files have more pages or frames than the
    first, which stands for them; `erased` is how many of the run's files were erased since, and are
    counted nowhere else; `erasures` are the numbers of those it knows of, and of all up to
    `last_erasure`; `drift` is gone when images of the run were erased."""

    batch: str
    run: int
    backbone: str
    found: int
    processed: int
    rejected: int
    missing: int
    skipped: int
    rejected_by_reason: dict[str, int]
    duplicates: Duplicates
    pca: PcaNote | None
    seconds: dict[str, float]
    started_at: str
    finished_at: str
    expected: int | None = None
    pixels: str = ""  # of receipts from before contracts had ids
    with_more_pages: int = 0
    erased: int = 0
    last_erasure: int = 0  # of receipts that knew of one after the other
    erasures: list[int] = field(default_factory=list)
    drift: DriftNote | None = None

    @property
    def balanced(self) -> bool:
        """Whether every image that was found is accounted for."""
        return self.found == self.processed + self.rejected + self.missing

    @property
    def equation(self) -> str:
        """The account in one line."""
        sign = "=" if self.balanced else "≠"
        return (
            f"{self.found} found {sign} {self.processed} processed + {self.rejected} rejected "
            f"+ {self.missing} missing" + (f" ({self.erased} erased since)" if self.erased else "")
        )

    def knows_of(self, erasure: int) -> bool:
        """Whether what that erasure removed is accounted for."""
        return erasure in self.erasures or erasure <= self.last_erasure

    def require_balance(self) -> None:
        """Raise `UnbalancedReceiptError` unless the receipt balances."""
        if not self.balanced:
            raise UnbalancedReceiptError(
                f"batch {self.batch!r}, run {self.run} is not done: {self.equation}"
            )


def pack(receipt: Receipt) -> bytes:
    """As JSON, with `balanced` and the state spelled out for readers."""
    state = "done" if receipt.balanced else "failed"
    document = {"state": state, "balanced": receipt.balanced, **asdict(receipt)}
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode()


def unpack(data: bytes) -> Receipt:
    """The receipt that `pack` wrote."""
    document: dict[str, Any] = json.loads(data)
    for derived in ("state", "balanced"):
        del document[derived]
    document["duplicates"] = Duplicates(**document["duplicates"])
    for name, kind in (("pca", PcaNote), ("drift", DriftNote)):
        told = document.get(name)
        document[name] = kind(**told) if told else None
    return Receipt(**document)


def done_runs(results: Store) -> list[Run]:
    """The runs whose receipt balances, by batch and number."""
    keys = results.list("receipts", ".json")
    receipts = map(unpack, read_ahead(results.read, keys, results.read_ahead))
    return sorted(Run(receipt.batch, receipt.run) for receipt in receipts if receipt.balanced)
