"""An account in lines."""

from __future__ import annotations

from collections.abc import Mapping


def account_lines(equation: str, by_reason: Mapping[str, int], skipped: int) -> list[str]:
    """The equation, how many were rejected for which reason, and how many files are no images."""
    lines = [f"  receipt     {equation}"]
    lines += [f"              {count} {reason}" for reason, count in by_reason.items()]
    if skipped:
        lines.append(f"  skipped     {skipped} files that are no images")
    return lines
