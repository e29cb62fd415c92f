"""What can be asked to be erased, and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import cli
from cli.on_stack.erase import read_list
from darkroom.erasure import request
from darkroom.erasure.mentions import Mentions
from darkroom.erasure.request import ErasureRequest, Selector
from darkroom.errors import UsageError

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        pytest.param("a/1.jpg\nb/2.jpg\n", ("a/1.jpg", "b/2.jpg"), id="lines"),
        pytest.param("\ufeffa/1.jpg", ("a/1.jpg",), id="byte-order-mark"),
        pytest.param('["a/two\\nlines.jpg"]', ("a/two\nlines.jpg",), id="json"),
        pytest.param(" [x]/1.jpg\r\nb.jpg\r\n", None, id="no-json"),
        pytest.param("[1]", None, id="no-names"),
    ],
)
def test_lists_of_keys(text: str, keys: tuple[str, ...] | None, tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_bytes(text.encode())
    if keys is None:
        with pytest.raises(UsageError, match="list"):
            read_list(file)
    else:
        assert read_list(file) == keys


def test_lines_of_windows(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"a/1.jpg\r\nb.jpg\r\n\r\n")
    assert read_list(tmp_path / "list") == ("a/1.jpg", "b.jpg")


@pytest.mark.parametrize(
    "words",
    [[], ["--key", "a", "--batch", "b"], ["--prefix", ""], ["--content", "abc"], ["--key", ""]],
    ids=["nothing", "two-ways", "empty-prefix", "no-digest", "empty-key"],
)
def test_what_could_mean_everything_or_nothing_is_refused(words: list[str]) -> None:
    answer = CliRunner().invoke(cli, ["erase", *words])
    assert answer.exit_code == 2
    assert "darkroom:" in answer.output


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        pytest.param(Selector("keys", ("spring/1.jpg",)), {"spring/1.jpg"}, id="keys"),
        pytest.param(Selector("prefix", ("spring/1",)), {"spring/1.jpg", "spring/11.jpg"},
                     id="prefix"),
        pytest.param(Selector("batch", ("spring",)), {"spring/1.jpg", "spring/11.jpg"}, id="batch"),
        pytest.param(Selector("content", (DIGEST,)), {"other/1.jpg"}, id="content"),
    ],
)  # fmt: skip
def test_selectors(selector: Selector, taken: set[str]) -> None:
    images = [("spring/1.jpg", None), ("spring/11.jpg", None), ("springs/1.jpg", None),
              ("other/1.jpg", DIGEST)]  # fmt: skip
    assert {k for k, content in images if selector.takes(k, k.split("/")[0], content)} == taken


def test_requests_come_back_as_they_were() -> None:
    asked = ErasureRequest("1", Selector("keys", ("ä/1.jpg",)), "00", "now", "me", "why", True)
    assert request.unpack(request.pack(asked)) == asked
    assert "ä/1.jpg" not in repr(asked.summary)


@pytest.mark.parametrize(
    "text",
    ["at spring/Pêche 1.jpg failed", "/spring/P%C3%AAche%201.jpg", r'["spring/P\u00eache 1.jpg"]'],
    ids=["plain", "address", "json"],
)
def test_a_name_is_found_however_it_is_written(text: str) -> None:
    assert Mentions(["spring/Pêche 1.jpg"]).in_text(text)
    assert not Mentions(["spring/Pêche 2.jpg"]).in_text(text)


@pytest.mark.parametrize(
    ("key", "text", "named"),
    [
        ("2.jpg", "12.jpg", False),
        ("spring/IMG_1", "spring/IMG_10", False),
        ("spring/IMG_1", "s3://b/spring/IMG_1: refused", True),
        ('a/"é.jpg', 'a/\\"é.jpg', True),
        ("2.jpg", "12.jpg and 2.jpg", True),
    ],
    ids=["longer-before", "longer-after", "address", "json-with-accents", "second"],
)
def test_a_name_within_a_longer_one_does_not_count(key: str, text: str, named: bool) -> None:
    assert Mentions([key]).in_text(text) == named


def test_very_many_names_are_looked_for_at_once() -> None:
    many = Mentions((f"spring/{number}.jpg" for number in range(100_000)), ["ab" * 32])
    text = "read spring/x.jpg, autumn/1.jpg\n" * 50_000
    assert not many.in_text(text)
    assert many.in_text(text + "spring/99999.jpg")
    assert many.in_text(text + "ab" * 32)
