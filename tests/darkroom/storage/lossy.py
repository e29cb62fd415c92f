"""An S3 whose answers get lost on their way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import boto3
from urllib3 import PoolManager

Loss = Literal["answer", "request", "both"]  # after it landed; before; landed, and changed since


@dataclass
class LossyS3:
    """Stands between a client and `behind`. The next PUT's answer is lost as `loss` says."""

    behind: str
    loss: Loss | None = None
    url: str = ""
    puts: list[str] = field(default_factory=list)


@contextmanager
def lossy(behind: str) -> Iterator[LossyS3]:
    """On a loopback port of its own."""
    told, pool = LossyS3(behind), PoolManager(retries=False)
    rival: Any = boto3.client("s3", endpoint_url=behind)

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            loss = None
            if self.command == "PUT":
                told.puts.append(self.path)
                loss, told.loss = told.loss, None
            if loss == "request":
                self.close_connection = True
                return
            answer = pool.request(
                self.command, told.behind + self.path, body=body,
                headers=dict(self.headers.items()), preload_content=True, decode_content=False,
            )  # fmt: skip
            if loss == "both":
                bucket, _, key = self.path.lstrip("/").partition("/")
                rival.put_object(Bucket=bucket, Key=key, Body=b"someone else's")
            if loss:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(answer.data)))
            self.end_headers()
            self.wfile.write(answer.data)

        do_GET = do_PUT = do_HEAD = do_DELETE = _pass_on  # noqa: N815

        def log_message(self, *words: Any) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
