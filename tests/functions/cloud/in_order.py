"""Objects read one after another, where a test counts calls or forks at one."""

from __future__ import annotations

import sys

import pytest

_OURS = ("darkroom.", "functions.")


def read_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """By all modules that read ahead."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_OURS) and callable(getattr(module, "read_ahead", None)):
            monkeypatch.setattr(module, "read_ahead", lambda read, items, depth: map(read, items))
