"""The slides, in both languages, as HTML, PDF and PPTX: `python -m presentation.build FOLDER`.

The folder has Marp's packages (`make slides` installs them). Figures are filled in from the files
that hold them (`benchmarks/figures.py`), and code from the files that it stands in, as
`{{source FILE "what its first line has" LINES}}`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from benchmarks.figures import fill
from darkroom.errors import UsageError

HERE = Path(__file__).parent
LANGUAGES = ("fr", "en")
FORMATS = ("html", "pdf", "pptx")
_SOURCE = re.compile(r'\{\{source (\S+) "([^"]+)" (\d+)\}\}')


def slides(language: str) -> str:
    """The Markdown of all slides, as Marp takes it. Raises `UsageError` where a figure or a line
    that is named does not exist (any more)."""
    text = (HERE / f"darkroom.{language}.md").read_text()
    filled = fill(_SOURCE.sub(_quoted, text), language)
    return _spaced(filled) if language == "fr" else filled


def _spaced(text: str) -> str:
    """With the narrow no-break spaces that French wants before signs, but in code and diagrams."""
    parts = re.split(r"(^```.*?^```$|`[^`\n]+`)", text, flags=re.M | re.S)
    return "".join(
        part if part.startswith("`") else re.sub(r"(?<!\s) (?=[:;?!])", "\u202f", part)
        for part in parts
    )


def _quoted(found: re.Match[str]) -> str:
    file, first, count = found.groups()
    lines = (HERE.parent / file).read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if first in line]
    if len(starts) != 1:
        raise UsageError(f"{file} has {len(starts)} lines with {first!r}: name another one")
    code = "\n".join(lines[starts[0] : starts[0] + int(count)])
    return f"```python\n{textwrap.dedent(code)}\n```"


def build(folder: Path, formats: tuple[str, ...] = FORMATS) -> list[Path]:
    """Write `darkroom.<language>.<format>` into the folder; what was written."""
    for name in ("marp.config.mjs", "theme.css"):
        shutil.copy(HERE / name, folder)
    shutil.copytree(HERE / "pictures", folder / "pictures", dirs_exist_ok=True)
    made = []
    for language in LANGUAGES:
        source = folder / f"darkroom.{language}.md"
        source.write_text(slides(language))
        for kind in formats:
            made.append(source.with_suffix(f".{kind}"))
            options = [] if kind == "html" else [f"--{kind}"]
            marp(folder, source.name, "--output", made[-1].name, *options)
    return made


def marp(folder: Path, *options: str) -> None:
    """Run Marp's command line in the folder."""
    command = ["npx", "--no-install", "marp", "--config", "marp.config.mjs", "--no-stdin", *options]
    subprocess.run(command, cwd=folder, check=True, env=_browser())


def _browser() -> dict[str, str]:
    """The environment in which Marp finds the browser, which root starts without a sandbox."""
    found = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chrome")
    known = dict(os.environ)
    if found:
        known.setdefault("CHROME_PATH", found)
    if os.geteuid() == 0:
        known["CHROME_NO_SANDBOX"] = "1"
    return known


if __name__ == "__main__":
    for made in build(Path(sys.argv[1])):
        print(made)
