"""What a stack may be called: its buckets, trail and sign-in page are named after it."""

from __future__ import annotations

import re

from darkroom.errors import UsageError
from darkroom.regions import EU_REGIONS

_LONGEST_BUCKET_NAME = 63  # "General purpose bucket naming rules" (S3 user guide)
_LONGEST_BUCKET = f"-artifacts-{'0' * 12}-{max(EU_REGIONS, key=len)}"
LONGEST = _LONGEST_BUCKET_NAME - len(_LONGEST_BUCKET)
_SHORTEST = 3  # a trail's name (CloudTrail user guide)
_NOT_IN_A_SIGN_IN_PAGE = ("aws", "amazon", "cognito")  # "Amazon Cognito domain" (developer guide)


def require_name(name: str) -> None:
    """Raise `UsageError` with the rule that the name breaks."""
    broken = _broken_rule(name)
    if broken:
        raise UsageError(f"{name!r} cannot name a stack: {broken}")


def _broken_rule(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        return "lower-case letters, digits and hyphens, a letter first (buckets are named after it)"
    if not _SHORTEST <= len(name) <= LONGEST:
        return (
            f"{_SHORTEST} to {LONGEST} characters (a bucket named after it may have "
            f"{_LONGEST_BUCKET_NAME}, with account and region)"
        )
    if name.endswith("-") or "--" in name:
        return "no hyphen at its end, and no two in a row (CloudTrail allows neither)"
    forbidden = [word for word in _NOT_IN_A_SIGN_IN_PAGE if word in name]
    if forbidden:
        return f"it may not hold {forbidden[0]!r} (Cognito allows that in no sign-in address)"
    return ""
