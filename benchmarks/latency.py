"""What a slow store costs: the job on a local HTTP store, as it is and with 30 ms a read."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from benchmarks.featurization import job_rate
from benchmarks.pictures import photographs_in, repeated
from benchmarks.record import middle, save
from cli.on_this_machine.home import ensure_model
from darkroom.manifest import Entry

IMAGES, ROUNDS, DELAY_SECONDS = 2_000, 2, 0.03
METHOD = (
    f"images/s of the features stage for {IMAGES} images read as s3:// from an HTTP server on "
    f"loopback (same machine, same cores) that sleeps {DELAY_SECONDS * 1000:.0f} ms before each "
    "answer, against the same server without the sleep; rounds alternate, medians"
)


class _Objects(BaseHTTPRequestHandler):
    """GET of objects as S3 answers it, after a delay."""

    protocol_version = "HTTP/1.1"
    root = Path()
    delay = 0.0

    def do_GET(self) -> None:
        """Answer with the file after the bucket's name in the path."""
        time.sleep(self.delay)
        data = (self.root / unquote(self.path).split("/", 2)[2]).read_bytes()
        head = (
            'HTTP/1.1 200 OK\r\nETag: "x"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n'
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        self.wfile.write(head.encode() + data)  # at once: Nagle would hold the second write

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def serve(root: Path, delay: float, port: multiprocessing.Queue[int]) -> None:
    """Serve the folder on a free port of loopback until ended."""
    _Objects.root, _Objects.delay = root, delay
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Objects)
    port.put(server.server_address[1])
    server.serve_forever()


def rate(root: Path, keys: list[str], onnx: bytes, delay: float) -> float:
    """Images/s of the features stage on a server with that delay."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    server = context.Process(target=serve, args=(root, delay, queue), daemon=True)
    server.start()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{queue.get()}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "eu-west-1",
    }
    entries = [Entry("s3://photos", key) for key in keys]
    measured = job_rate(entries, onnx, Path(".bench/out-latency"))
    server.terminate()
    server.join()
    return measured


def main() -> None:
    """`python -m benchmarks.latency [--photos FOLDER]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path)
    root = Path(f".bench/images-{IMAGES}").absolute()
    paths = repeated(photographs_in(parser.parse_args().photos), IMAGES, root)
    keys = [path.relative_to(root).as_posix() for path in paths]
    onnx = ensure_model().path.read_bytes()
    quick, slow = [], []
    for _ in range(ROUNDS):
        quick.append(rate(root, keys, onnx, 0))
        slow.append(rate(root, keys, onnx, DELAY_SECONDS))
    numbers = {
        "images_per_second": middle(quick),
        "images_per_second_with_delay": middle(slow),
        "ratio": round(middle(slow) / middle(quick), 3),
    }
    save("latency", METHOD, numbers)


if __name__ == "__main__":
    main()
