"""Results as JSON: the number, and beside it machine, commit and method."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).parent / "results"


def save(name: str, method: str, numbers: Mapping[str, object]) -> None:
    """Write `results/<name>.json` and print it."""
    document = {
        "name": name,
        "method": method,
        "numbers": numbers,
        "machine": machine(),
        "commit": _commit(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    text = json.dumps(document, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text, flush=True)


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    info = Path("/proc/cpuinfo").read_text()
    models = [line.split(":")[1].strip() for line in info.splitlines() if "model name" in line]
    flags = next((line for line in info.splitlines() if line.startswith("flags")), "")
    wide = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "no AVX2"
    return {
        "processor": f"{models[0] if models else platform.processor()} ({wide})",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def _commit() -> str:
    """The commit, and whether anything else than results differs from it."""
    commit = _git("rev-parse", "--short=12", "HEAD") or "unknown"
    changed = _git("status", "--porcelain", "--", ":/", ":(exclude,top)benchmarks/results")
    return f"{commit}-dirty" if changed else commit


def _git(*words: str) -> str:
    answer = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def middle(values: list[float]) -> float:
    """The median, to three significant digits or so."""
    return round(median(values), 3)
