"""The slides, as a browser shows them: nothing cut off, nothing small, nothing faint, and the same
in both languages."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from benchmarks.browser import CHROMIUM, chromium
from darkroom.errors import UsageError
from presentation import build
from tests.browser import open_page

pytestmark = pytest.mark.long

SOURCES = {language: build.slides(language) for language in build.LANGUAGES}
SMALLEST = 24  # pixels: 18 points, on a slide that is 1280 pixels (13.3 inches) wide

# Each text of a slide with its size in the slide's pixels, its colour, and what is behind it. A
# diagram's text lies on the shape before it.
_TEXTS = """
() => [...document.querySelectorAll('section')].map((section) => {
  const frame = section.getBoundingClientRect(), scale = frame.width / 1280
  const behind = (element) => {
    const shape = element.matches('text') && element.parentNode.querySelector('polygon, path')
    if (shape && element.closest('g.node')) return getComputedStyle(shape).fill
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor
      if (!/, 0\\)$/.test(colour)) return colour
    }
  }
  const words = document.createTreeWalker(section, NodeFilter.SHOW_TEXT), found = []
  while (words.nextNode()) {
    const text = words.currentNode.textContent.trim(), element = words.currentNode.parentElement
    if (!text || element.closest('style, title')) continue
    const range = document.createRange()
    range.selectNodeContents(words.currentNode)
    const box = range.getBoundingClientRect(), style = getComputedStyle(element)
    const drawn = element.closest('svg[viewBox]:not([data-marpit-svg])')
    const shrunk = element.matches('text') && drawn ? drawn.getScreenCTM().a / scale : 1
    found.push({
      text, size: parseFloat(style.fontSize) * shrunk,
      colour: element.matches('text') ? style.fill : style.color, behind: behind(element),
      left: (box.left - frame.left) / scale, right: (box.right - frame.left) / scale,
      top: (box.top - frame.top) / scale, bottom: (box.bottom - frame.top) / scale,
    })
  }
  const cut = [...section.querySelectorAll('pre, table, img, svg, div')].filter((element) => {
    const box = element.getBoundingClientRect()
    return box.right > frame.right + 1 || box.bottom > frame.bottom + 1 || box.left < frame.left - 1
      || element.scrollWidth > element.clientWidth + 1
  }).map((element) => element.outerHTML.slice(0, 80))
  const drawn = [...section.querySelectorAll('img[src*=map], img[src*=scree]')].map((picture) => {
    const inch = picture.src.endsWith('png') ? 160 : 96  // pixels of an inch, as drawn
    return picture.getBoundingClientRect().width / scale / (picture.naturalWidth / inch * 96)
  })
  return { found, cut, drawn }
})
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slides as HTML, made by the packages of the lock file."""
    if not CHROMIUM or not shutil.which("npm"):
        pytest.skip("needs npm and Chromium")
    folder = tmp_path_factory.mktemp("slides")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(build.HERE / name, folder)
    install = ["npm", "ci", "--no-fund", "--no-audit", "--ignore-scripts"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)
    build.build(folder, ("html",))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module", params=build.LANGUAGES)
def shown(request: pytest.FixtureRequest, made: Path, browser: Browser) -> list[dict[str, Any]]:
    """What a browser shows of each slide."""
    page = open_page(browser, viewport={"width": 1280, "height": 720})
    page.goto((made / f"darkroom.{request.param}.html").as_uri() + "?view=print")
    page.wait_for_load_state("load")
    slides: list[dict[str, Any]] = page.evaluate(_TEXTS)
    page.close()
    return slides


def test_nothing_is_cut_off(shown: list[dict[str, Any]]) -> None:
    assert 12 <= len(shown) <= 16
    for number, slide in enumerate(shown, 1):
        assert slide["cut"] == [], number
        for word in slide["found"]:
            assert word["left"] >= 0, (number, word)
            assert word["right"] <= 1280 - 20, (number, word)
            assert word["bottom"] <= 720 - 10, (number, word)


def test_no_text_is_smaller_than_18_points(shown: list[dict[str, Any]]) -> None:
    for number, slide in enumerate(shown, 1):
        assert slide["found"], number
        assert all(scale > 0.99 for scale in slide["drawn"]), number  # text in pictures, too
        for word in slide["found"]:
            assert word["size"] >= SMALLEST - 0.1, (number, word)


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
              for c in (red, green, blue)]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_is_that_of_wcag_aa(shown: list[dict[str, Any]]) -> None:
    for number, slide in enumerate(shown, 1):
        for word in slide["found"]:
            darker, lighter = sorted(map(luminance, (word["colour"], word["behind"])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (number, word)


def outline(text: str) -> list[dict[str, Any]]:
    """What a slide has, whatever its language."""
    plain = text.replace("\u202f", "").replace("\u00a0", "")
    slides = re.split(r"^---$", plain, flags=re.M)[2:]
    return [
        {
            "headings": len(re.findall(r"^# ", slide, re.M)),
            "points": len(re.findall(r"^- ", slide, re.M)),
            "rows": len(re.findall(r"^\|", slide, re.M)),
            "code": re.findall(r"^```(?:python|sql)\n.*?^```", slide, re.M | re.S),
            "arrows": len(re.findall(r"->", slide)),
            "pictures": re.findall(r"!\[.*?\]\((.*?)\)", slide),
            "figures": sorted(re.findall(r"\d+(?:[.,]\d+)*", slide.replace(",000", "000"))),
            "notes": bool(re.search(r"^<!--\n.{80,}?-->", slide, re.M | re.S)),
        }
        for slide in slides
    ]


def test_both_languages_say_the_same() -> None:
    french, english = (outline(SOURCES[language]) for language in ("fr", "en"))
    assert len(french) == len(english)
    for number, (one, other) in enumerate(zip(french, english, strict=True), 1):
        figures = [[f.replace(",", "").replace(".", "") for f in s.pop("figures")]
                   for s in (one, other)]  # fmt: skip
        assert sorted(figures[0]) == sorted(figures[1]), number
        assert one == other, number
        assert one["notes"], number


def test_a_line_that_is_gone_is_noticed() -> None:
    with pytest.raises(UsageError, match="0 lines"):
        build._SOURCE.sub(build._quoted, '{{source darkroom/coordinates/pca.py "no such line" 2}}')
