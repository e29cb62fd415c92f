"""The page in a browser, on the local cloud: drop, watch, look, find."""

from __future__ import annotations

import pytest

from benchmarks.browser import CHROMIUM, NEEDS_CHROMIUM

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=NEEDS_CHROMIUM)
