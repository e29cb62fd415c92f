"""The sum that is kept over the corpus: the same as adding all shares up, whatever came between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import time

import numpy as np
import pytest

from darkroom.coordinates import pca, statistics
from darkroom.coordinates.statistics import Statistics, added
from darkroom.coordinates.total import (
    BLOCKS,
    forget_sums,
    statistics_of_runs,
    statistics_without,
    sum_of_shares,
)
from darkroom.errors import ObjectNotFoundError
from darkroom.layout import TOTAL_STATISTICS, Run
from darkroom.storage import bundles
from darkroom.storage.bundles import Bundle, Index, Shelf
from darkroom.storage.local import LocalStore
from darkroom.storage.store import Store

DIMENSIONS = 12


class Corpus:
    """Runs with a share each, and which of them had to be read."""

    def __init__(self, folder: Path) -> None:
        self.store = LocalStore(folder)
        self.runs: list[Run] = []
        self.read: list[str] = []

    def add(self, count: int = 1) -> None:
        for _ in range(count):
            run = Run("spring", len(self.runs) + 1)
            features = np.random.default_rng(run.number).random((9, DIMENSIONS), np.float32)
            self.store.write(run.statistics, statistics.pack_share(features))
            self.runs.append(run)

    def statistics(self, runs: Sequence[Run] | None = None) -> Statistics | None:
        def sums(keys: Sequence[Sequence[str]]) -> list[Statistics | None]:
            self.read += [key for some in keys for key in some]
            return [sum_of_shares(self.store, some) for some in keys]

        self.read.clear()
        return statistics_of_runs(self.store, self.runs if runs is None else runs, sums, 4)

    @property
    def shares(self) -> list[str]:
        return [run.statistics for run in self.runs]

    def anew(self) -> Statistics | None:
        return sum_of_shares(self.store, self.shares)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    made = Corpus(tmp_path)
    made.add(5)
    return made


def assert_same(one: Statistics | None, other: Statistics | None) -> None:
    assert one is not None
    assert other is not None
    assert one.n == other.n
    assert np.allclose(one.total, other.total, rtol=1e-12)
    assert np.allclose(one.gram, other.gram, rtol=1e-12)


def test_of_the_history_the_sum_alone_is_read(corpus: Corpus) -> None:
    assert_same(corpus.statistics(), corpus.anew())
    assert corpus.read == corpus.shares
    corpus.add(2)
    assert_same(corpus.statistics(), corpus.anew())
    assert corpus.read == corpus.shares[5:]
    assert_same(corpus.statistics(), corpus.anew())
    assert corpus.read == []


@pytest.mark.parametrize("gone", [0, 4])
def test_a_run_that_is_no_part_of_the_corpus_any_more_is_not_in_it(
    corpus: Corpus, gone: int
) -> None:
    """A run that is worked again is none of those before it, either."""
    corpus.statistics()
    del corpus.runs[gone]
    assert_same(corpus.statistics(), corpus.anew())
    assert corpus.read == corpus.shares


def test_a_sum_that_was_forgotten_is_made_anew(corpus: Corpus) -> None:
    corpus.statistics()
    forget_sums(corpus.store, [], alone=True)
    assert_same(corpus.statistics(), corpus.anew())
    assert corpus.read == corpus.shares


def test_a_sum_over_many_runs_is_made_anew_of_few_objects(corpus: Corpus) -> None:
    corpus.add(95)
    corpus.statistics()
    blocks = BLOCKS.all(corpus.store)
    assert len(blocks) == 3
    corpus.statistics(corpus.runs[:99])
    assert sorted(corpus.read) == sorted([*blocks, *corpus.shares[96:99]])


def test_a_run_that_changes_costs_the_sum_it_is_in_and_no_other(corpus: Corpus) -> None:
    corpus.add(95)
    corpus.statistics()
    changed = corpus.runs[40]
    forget_sums(corpus.store, [changed], alone=True)
    corpus.store.write(changed.statistics, statistics.pack_share(np.ones((3, 12), np.float32)))
    assert len(BLOCKS.all(corpus.store)) == 2
    assert_same(corpus.statistics(), corpus.anew())
    assert len(set(corpus.read)) == 2 + 32 + 4
    assert len(BLOCKS.all(corpus.store)) == 3
    forget_sums(corpus.store, [], alone=True)
    assert_same(corpus.statistics(), corpus.anew())


def test_a_block_that_is_gone_is_made_up_for_by_the_shares_of_its_runs(corpus: Corpus) -> None:
    corpus.add(60)
    corpus.statistics()
    corpus.store.delete([TOTAL_STATISTICS, *BLOCKS.all(corpus.store)[:1]])
    assert_same(corpus.statistics(), corpus.anew())


def test_one_that_goes_while_it_is_read_is_never_passed_over(corpus: Corpus) -> None:
    corpus.add(60)
    corpus.statistics()
    gone = BLOCKS.all(corpus.store)[0]
    corpus.store.delete([gone])
    with pytest.raises(ObjectNotFoundError):
        sum_of_shares(corpus.store, [gone])


def test_what_is_dropped_beside_others_work_stays_for_a_day(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may be reading it, or about to name it."""
    corpus.add(60)
    corpus.statistics()
    unnamed = BLOCKS.key("about to be named")
    corpus.store.write(unnamed, b"")
    files = BLOCKS.all(corpus.store)
    forget_sums(corpus.store, corpus.runs[:1], alone=False)
    assert BLOCKS.all(corpus.store) == files
    assert len(BLOCKS.index(corpus.store).bundles) == 1
    monkeypatch.setattr(bundles, "time", lambda: time() + 25 * 3600)
    forget_sums(corpus.store, corpus.runs[40:41], alone=False)
    assert BLOCKS.all(corpus.store) == []


def test_a_share_that_changes_while_a_sum_is_made_is_in_none(corpus: Corpus) -> None:
    """A run is worked anew by another job meanwhile."""
    corpus.add(40)
    anew = corpus.runs[7]

    def meanwhile(keys: Sequence[Sequence[str]]) -> list[Statistics | None]:
        corpus.store.delete([anew.statistics])
        made = [sum_of_shares(corpus.store, some) for some in keys]
        corpus.store.write(anew.statistics, statistics.pack_share(np.ones((3, 12), np.float32)))
        return made

    statistics_of_runs(corpus.store, corpus.runs, meanwhile, 4)
    assert corpus.store.list("pca") == []
    assert_same(corpus.statistics(), corpus.anew())


def test_of_two_jobs_that_add_at_once_each_has_all(corpus: Corpus) -> None:
    """The one that stores its sum second leaves that of the first, which lists what is in it."""
    corpus.statistics()
    corpus.add(1)

    def meanwhile(keys: Sequence[Sequence[str]]) -> list[Statistics | None]:
        corpus.add(1)
        corpus.statistics()
        return [sum_of_shares(corpus.store, some) for some in keys]

    first = corpus.runs[:6]
    slower = statistics_of_runs(corpus.store, first, meanwhile, 4)
    assert_same(slower, sum_of_shares(corpus.store, [run.statistics for run in first]))
    assert_same(corpus.statistics(), corpus.anew())
    assert corpus.read == []


def test_nothing_is_kept_of_nothing(tmp_path: Path) -> None:
    empty = Corpus(tmp_path)
    assert empty.statistics() is None
    assert LocalStore(tmp_path).list(TOTAL_STATISTICS.partition("/")[0]) == []


def test_the_order_of_adding_does_not_decide_whether_a_basis_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the very edge: the basis captures just what it has to, but for the last digits."""
    made = [np.random.default_rng(seed).random((30, 6), np.float32) for seed in range(40)]
    shares = [statistics.statistics_of(features) for features in made]
    basis, kept = pca.fit(shares[0], 3), []
    for seed in range(30):
        order = np.random.default_rng(seed).permutation(len(shares))
        merged = added(shares[at] for at in order)
        assert merged is not None
        best = pca.fit(merged, 3)
        if not kept:
            monkeypatch.setattr(pca, "KEEP_SHARE", pca.kept_share(basis, best, merged))
        kept.append(pca.is_kept(basis, best, merged))
    assert all(kept)


@pytest.mark.parametrize("summed", [0, 3, 5])
def test_what_is_without_some_runs_is_looked_at_and_not_kept(corpus: Corpus, summed: int) -> None:
    if summed:
        corpus.statistics(corpus.runs[:summed])
    before = corpus.store.sizes("pca")
    without = statistics_without(corpus.store, corpus.runs, corpus.runs[1:3])
    rest = [corpus.shares[0], *corpus.shares[3:]]
    assert_same(without, sum_of_shares(corpus.store, rest))
    assert statistics_without(corpus.store, corpus.runs, corpus.runs) is None
    assert corpus.store.sizes("pca") == before


def test_a_sum_that_another_job_made_over_a_run_that_is_worked_anew_is_dropped(
    corpus: Corpus,
) -> None:
    """It read the share before it went."""
    corpus.add(95)
    corpus.statistics()
    anew = corpus.runs[40]
    corpus.statistics([run for run in corpus.runs if run != anew])  # the job that works it
    assert not any(anew in block.runs for block in BLOCKS.index(corpus.store).bundles)
    corpus.store.write(anew.statistics, statistics.pack_share(np.ones((3, 12), np.float32)))
    corpus.store.delete([TOTAL_STATISTICS])
    assert_same(corpus.statistics(), corpus.anew())


def test_what_another_job_bundles_meanwhile_is_kept_when_a_run_is_forgotten(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus.add(30)
    corpus.statistics()
    corpus.add(32)
    plain, others = Shelf.replace, ["another job's"]

    def second(self: Shelf, store: Store, known: Index, bundles: Sequence[Bundle]) -> None:
        if others:
            others.pop()
            corpus.statistics()
        plain(self, store, known, bundles)

    monkeypatch.setattr(Shelf, "replace", second)
    forget_sums(corpus.store, [corpus.runs[3]], alone=True)
    (left,) = BLOCKS.index(corpus.store).bundles
    assert corpus.runs[3] not in left.runs
    assert BLOCKS.all(corpus.store) == [BLOCKS.key(left.name)]
