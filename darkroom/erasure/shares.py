"""What the images that go are in each run's account: so that its receipt can be restated."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from darkroom.erasure.search import Row
from darkroom.layout import Run
from darkroom.run.receipt import Duplicates, Receipt


@dataclass
class Share:
    """Of one run: `files` its manifest names, `processed`, and rejected by reason (`missing` is one
    of them); `duplicates` is how many fewer of them the run has without these images."""

    run: Run
    files: int = 0
    processed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0

    @property
    def missing(self) -> int:
        """How many were gone when the job came for them."""
        return self.reasons.get("missing", 0)

    @property
    def without_row(self) -> int:
        """How many of the files have no row: they are no images, or their rows have expired."""
        return max(self.files - self.processed - sum(self.reasons.values()), 0)


def shares_of(rows: Sequence[Row], keys: set[str]) -> list[Share]:
    """What the images under `keys` are in each run that has rows of them."""
    shares: dict[Run, Share] = {}
    for row in rows:
        if row.path not in keys:
            continue
        share = shares.setdefault(row.run, Share(row.run))
        share.processed += row.place == "Results"
        if row.place == "Rejected":
            share.reasons[row.reason] = share.reasons.get(row.reason, 0) + 1
    processed = defaultdict(list)
    for row in rows:
        if row.place == "Results" and row.run in shares:
            processed[row.run].append(row)
    for run, mine in processed.items():
        left = (row for row in mine if row.path not in keys)
        shares[run].duplicates = _duplicates(mine) - _duplicates(left)
    return list(shares.values())


def _duplicates(rows: Iterable[Row]) -> int:
    contents = Counter(row.content for row in rows)
    return sum(count - 1 for count in contents.values())


def without(account: Receipt, share: Share, keys: set[str], erasure: int) -> Receipt:
    """The receipt without the images; the same where it knows of the erasure already."""
    if account.knows_of(erasure):
        return account
    reasons = Counter(account.rejected_by_reason)
    reasons.subtract({name: n for name, n in share.reasons.items() if name != "missing"})
    skipped = min(share.without_row, account.skipped)
    rejected = sum(share.reasons.values()) - share.missing
    groups = ([path for path in group if path not in keys] for group in account.duplicates.groups)
    return replace(
        account,
        found=account.found - share.processed - rejected - share.missing,
        processed=account.processed - share.processed,
        rejected=account.rejected - rejected,
        missing=account.missing - share.missing,
        skipped=account.skipped - skipped,
        rejected_by_reason={name: n for name, n in sorted(reasons.items()) if n > 0},
        duplicates=Duplicates(
            max(account.duplicates.images - share.duplicates, 0),
            [group for group in groups if len(group) > 1],
        ),
        erased=account.erased + share.processed + rejected + share.missing + skipped,
        erasures=[*account.erasures, erasure],
        drift=None,  # it knows labels, and is a number made of images that are gone
    )
