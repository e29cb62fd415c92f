"""A website that somebody has open while the local cloud is up, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest

from benchmarks.browser import CHROMIUM, NEEDS_CHROMIUM, chromium
from cli.on_stack.stack import Stack
from local_cloud import control
from tests.browser import open_page

pytestmark = [
    pytest.mark.usefixtures("picture"),
    pytest.mark.skipif(not CHROMIUM, reason=NEEDS_CHROMIUM),
]


_DRIVE_BY = """
const base = "%(endpoint)s", bucket = "%(uploads)s", got = [];
const code = btoa("def handler(e, c): open('/tmp/owned', 'w')");
const tries = [
  ["GET", "/"], ["GET", `/${bucket}?list-type=2`], ["GET", `/${bucket}/port/1.jpg`],
  ["PUT", `/${bucket}/port/evil.jpg`, "evil"], ["DELETE", `/${bucket}/port/1.jpg`],
  ["GET", "/2015-03-31/functions/"],
  ["POST", "/2015-03-31/functions", JSON.stringify({FunctionName: "evil", Runtime: "python3.11",
    Handler: "a.handler", Role: "arn:aws:iam::000000000000:role/x", Code: {ZipFile: code}})],
  ["POST", `/2015-03-31/functions/darkroom-test-reconcile/invocations`, "{}"],
  ["POST", "/_ministack/reset", ""], ["POST", "/", "Action=ListRoles&Version=2010-05-08"],
];
for (const mode of ["cors", "no-cors"])
  for (const [method, path, body] of tries)
    try {
      const answer = await fetch(base + path, {method, body, mode});
      got.push([mode, method, path, answer.status, (await answer.text()).slice(0, 60)]);
    } catch (error) { got.push([mode, method, path, 0, ""]); }
const form = document.createElement("form");
Object.assign(form, {method: "post", enctype: "multipart/form-data", target: "frame",
                     action: `${base}/${bucket}`});
for (const [name, value] of [["key", "port/formed.jpg"], ["file", "evil"]]) {
  const field = Object.assign(document.createElement("input"), {name, value});
  form.append(field);
}
document.body.append(Object.assign(document.createElement("iframe"), {name: "frame"}), form);
form.submit();
await new Promise((done) => setTimeout(done, 500));
return got;
"""


@contextmanager
def website() -> Iterator[int]:
    """An empty page on a port of its own."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>x</title><body>")

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def held(stack: Stack) -> object:
    """What a stranger could have changed."""
    functions = boto3.client("lambda").list_functions()["Functions"]
    listed = stack.s3.list_objects_v2(Bucket=stack.uploads)["Contents"]
    return (sorted(item["Key"] for item in listed), sorted(f["FunctionName"] for f in functions),
            len(boto3.client("logs").describe_log_groups()["logGroups"]))  # fmt: skip


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_page_of_another_site_reads_and_changes_nothing(
    cloud: control.LocalCloud, stack: Stack, host: str
) -> None:
    before = held(stack)
    told = {"endpoint": cloud.endpoint, "uploads": stack.uploads}
    with website() as port, chromium() as browser:
        page = open_page(browser)
        page.goto(f"http://{host}:{port}/")
        got = page.evaluate(f"(async () => {{ {_DRIVE_BY % told} }})()")
    assert [line for line in got if line[3]] == []
    assert held(stack) == before


def test_the_page_itself_uploads_and_shows(cloud: control.LocalCloud, stack: Stack) -> None:
    """With the form and the link that the API gives it, from its own origin."""
    with chromium() as browser:
        page = open_page(browser)
        page.goto(cloud.page)
        told = page.evaluate(
            """async () => {
              const asked = {method: "POST", headers: {"Content-Type": "application/json"},
                             body: JSON.stringify({names: ["x.jpg"]})};
              const form = await (await fetch("api/batches/page/uploads", asked)).json();
              const data = new FormData();
              for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
              data.append("key", "page/x.jpg"); data.append("Content-Type", "image/jpeg");
              data.append("x-amz-meta-sha256", "0"); data.append("file", new Blob(["small"]));
              const sent = await fetch(form.url, {method: "POST", body: data});
              const {url} = await (await fetch("api/original?path=page/x.jpg")).json();
              const seen = await fetch(url);
              return [sent.status, seen.status, await seen.text()];
            }"""
        )
    assert told == [204, 200, "small"]
    stack.s3.delete_object(Bucket=stack.uploads, Key="page/x.jpg")
