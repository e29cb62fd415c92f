"""The map of 100,000 points in a browser: first paint, and frames while it is moved.

    python -m benchmarks.page

Needs Chromium. The reference draws the same points anew for each frame.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from playwright.sync_api import Page, Route

from benchmarks.browser import chromium
from benchmarks.record import save

POINTS = 100_000
METHOD = f"""\
Debian's Chromium without a screen or graphics card (SwiftShader), 1280 x 900. The page comes from
the front door and the API's own handler; the API's answers are put in their place by the browser's
driver: {POINTS:,} normally distributed points with 100 labels. First paint: from the navigation's
start to the frame after the map was drawn. Frames: animation frames in 4 s, while a pointer drags
the map in small steps, as the page does it, and while the same points are drawn anew for every
frame (reference)."""
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1", "POWERTOOLS_TRACE_DISABLED": "true", "TABLE": "none",
    "POWERTOOLS_METRICS_NAMESPACE": "none", "POWERTOOLS_SERVICE_NAME": "none",
    "UPLOADS_BUCKET": "uploads", "RESULTS_BUCKET": "results", "QUIET_SECONDS": "1",
    "MARKER_SECONDS": "1", "MAX_AGE_SECONDS": "1", "MAX_IMAGE_BYTES": "1", "PAGE_ORIGIN": "",
    "SIGN_IN_URL": "", "CLIENT_ID": "",
}  # fmt: skip
_CONTEXT: Any = SimpleNamespace(
    function_name="api", memory_limit_in_mb=1, invoked_function_arn="", aws_request_id=""
)
_FRAMES = """(move) => new Promise((done) => {
  const map = document.querySelector(".map"), box = map.getBoundingClientRect();
  const send = (type, x, y) => {
    const place = { view: window, clientX: box.x + x, clientY: box.y + y, buttons: 1 };
    const event = new MouseEvent(type, { bubbles: true, cancelable: true, ...place });
    (type === "mousedown" ? map : window).dispatchEvent(event);
  };
  send("mousedown", 300, 200);
  const began = performance.now();
  let frames = 0;
  const step = () => {
    frames += 1;
    send("mousemove", 300 + 150 * Math.sin(frames / 20), 200 + 100 * Math.sin(frames / 31));
    if (move === "draw") window.scatter.draw();
    const passed = performance.now() - began;
    if (passed < 4000) requestAnimationFrame(step);
    else { send("mouseup", 300, 200); done((1000 * frames) / passed); }
  };
  requestAnimationFrame(step);
})"""
_ALONE = """async (points) => {
  const { Scatter } = await import("/page/scatter.js");
  const map = document.querySelector(".map"), other = map.cloneNode(false);
  map.replaceWith(other);
  const none = () => {};
  window.scatter = new Scatter(other, { hovered: none, picked: none, lassoed: none });
  await new Promise((done) => setTimeout(done, 500));
  window.scatter.show(points.x, points.y, new Uint8Array(4 * points.x.length).fill(160));
}"""


def answers() -> dict[str, Any]:
    """What the API would say, by the end of its path."""
    random = np.random.default_rng(0)
    places = (random.normal(size=(2, POINTS)) * [[30], [20]]).round(4).tolist()
    run = {
        "batch": "bench", "run": 1, "state": "DONE", "words": "", "finished": True,
        "files": POINTS, "closes_in_seconds": None, "closed_because": None, "progress": None,
        "attempt": 1, "reason": None, "pca_version": 1, "cost": None, "opened_at": 0,
        "changed_at": 1, "receipt": {"found": POINTS, "processed": POINTS, "rejected": 0,
                                     "missing": 0, "balanced": True},
    }  # fmt: skip
    batch = {"id": "bench", "batch": "bench", "processed": POINTS, "rejected": 0, "missing": 0,
             "newest": run}  # fmt: skip
    drawn = {
        "pca_version": 1, "total": POINTS, "shown": POINTS, "rule": None,
        "labels": [f"label {number}" for number in range(100)],
        "files": [{"batch": "bench", "id": "bench", "run": 1, "part": "part-00000"}],
        "x": places[0], "y": places[1], "file": [0] * POINTS,
        "label": random.integers(0, 100, POINTS).tolist(),
        "path": [f"bench/label/{number}.jpg" for number in range(POINTS)],
    }  # fmt: skip
    return {"batches": {"batches": [batch]}, "bench": {**batch, "runs": [run]}, "map": drawn}


def _stub(told: dict[str, Any]) -> Callable[[Route], None]:
    bodies = {name: json.dumps(answer) for name, answer in told.items()}

    def fulfil(route: Route) -> None:
        name = route.request.url.partition("?")[0].rpartition("/")[2]
        route.fulfill(body=bodies[name], content_type="application/json")

    return fulfil


def measure(page: Page, url: str, told: dict[str, Any]) -> dict[str, float]:
    """Seconds to the first paint, and frames per second."""
    page.route("**/api/**", _stub(told))
    page.goto(f"{url}/#/bench")
    page.wait_for_selector(".labels li")
    painted = page.evaluate("new Promise((d) => requestAnimationFrame(() => d(performance.now())))")
    page.wait_for_timeout(1000)
    moving = page.evaluate(_FRAMES, "move")
    page.evaluate(_ALONE, {axis: told["map"][axis] for axis in "xy"})
    drawing = page.evaluate(_FRAMES, "draw")
    return {
        "first_paint_seconds": round(painted / 1000, 2),
        "frames_per_second": round(moving, 1),
        "reference_frames_per_second": round(drawing, 1),
    }


def main() -> None:
    """Measure and record."""
    os.environ.update(_ENVIRONMENT)
    from functions import api_function as api
    from local_cloud.front_door import FrontDoor

    class Functions:
        def invoke(self, **asked: str) -> dict[str, Any]:
            answer = json.dumps(api.handler(json.loads(asked["Payload"]), _CONTEXT)).encode()
            return {"Payload": type("Body", (), {"read": lambda self: answer})()}

    door = FrontDoor(0, Functions(), "api")
    door.start()
    told = answers()
    with chromium() as browser:
        rounds = []
        for _ in range(3):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            rounds.append(measure(page, f"http://{door.host}", told))
            page.close()
    door.stop()
    middle = sorted(rounds, key=lambda one: one["frames_per_second"])[1]
    save("page", METHOD, {"points": POINTS, **middle, "rounds": rounds})


if __name__ == "__main__":
    main()
