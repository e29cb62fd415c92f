from dataclasses import replace

import pytest

from darkroom.erasure.shares import Share, without
from darkroom.errors import UnbalancedReceiptError
from darkroom.layout import Run, escape, label_of
from darkroom.run import receipt
from darkroom.run.receipt import DriftNote, Duplicates, PcaNote, Receipt

BALANCED = Receipt(
    batch="spring",
    run=1,
    backbone="ab" * 32,
    found=10,
    processed=7,
    rejected=2,
    missing=1,
    skipped=3,
    rejected_by_reason={"empty": 2},
    duplicates=Duplicates(1, [["a", "b"]]),
    pca=PcaNote(1, True, 6, 0.9),
    seconds={"features": 1.0},
    started_at="2026-01-01T00:00:00+00:00",
    finished_at="2026-01-01T00:00:09+00:00",
)


@pytest.mark.parametrize(
    ("key", "label"),
    [
        pytest.param("batch/apple/1.jpg", "apple", id="folder"),
        pytest.param("batch/1.jpg", "", id="directly-in-the-batch"),
        pytest.param("1.jpg", "", id="at-the-root"),
        pytest.param("batch/a/b/1.jpg", "b", id="nested"),
        pytest.param("batch/Pe\u0302che\n/1.jpg", "Pe\u0302che\n", id="awkward"),
    ],
)
def test_labels(key: str, label: str) -> None:
    assert label_of(key) == label


def test_batch_names_become_one_folder() -> None:
    assert escape("spring 2026 é") == "spring 2026 é"
    assert escape("a=b/c:d%e") == "a%3Db%2Fc%3Ad%25e"
    assert Run("a=b", 2).results == "Results/batch=a%3Db/run=2"


def test_a_receipt_survives_storage() -> None:
    assert receipt.unpack(receipt.pack(BALANCED)) == BALANCED
    drift = DriftNote("unlike", True, 3.5, 2.0, 1.5, 90, {"pear": 0.83})
    for other in (replace(BALANCED, pca=None), replace(BALANCED, drift=drift)):
        assert receipt.unpack(receipt.pack(other)) == other


def test_what_was_told_of_images_goes_with_them() -> None:
    drift = DriftNote("most of it comes from label John Smith", True, labels={"John Smith": 0.9})
    gone = Share(Run("b", 1), files=1, processed=1)
    restated = without(replace(BALANCED, drift=drift), gone, {"b/John Smith/1.jpg"}, erasure=1)
    assert restated.drift is None
    assert b"John Smith" not in receipt.pack(restated)


@pytest.mark.parametrize("field", ["found", "processed", "rejected", "missing"])
def test_one_image_too_many_anywhere_unbalances(field: str) -> None:
    broken = replace(BALANCED, **{field: getattr(BALANCED, field) + 1})
    assert b'"state": "failed"' in receipt.pack(broken)
    with pytest.raises(UnbalancedReceiptError, match="not done: "):
        broken.require_balance()


def test_a_balanced_receipt_passes() -> None:
    BALANCED.require_balance()
    assert BALANCED.equation == "10 found = 7 processed + 2 rejected + 1 missing"
    assert b'"state": "done"' in receipt.pack(BALANCED)
