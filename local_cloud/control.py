"""`darkroom local`: the stack on this machine."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from darkroom.errors import DarkroomError, UsageError
from local_cloud.gate import HEALTH
from local_cloud.server import credentials

REGION = "eu-west-1"
_START_SECONDS = 300
_STOP_SECONDS = 60

_used: list[LocalCloud] = []
_started: list[subprocess.Popen[bytes]] = []  # they outlive this process: nobody waits for them


@dataclass(frozen=True)
class LocalCloud:
    """A local cloud's process and address; its state, with the keys to it, lies in `folder`."""

    pid: int
    port: int
    region: str
    page_port: int = 0
    folder: Path = Path()

    @property
    def page(self) -> str:
        """Where a browser finds the page, and programs the API."""
        return f"http://127.0.0.1:{self.page_port}"

    @property
    def endpoint(self) -> str:
        """Where every AWS client finds it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that point AWS clients, of any language, at it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
            **credentials(self.folder),
        }

    @property
    def answers(self) -> bool:
        """Whether it is up."""
        return self.health() is not None

    def health(self) -> dict[str, Any] | None:
        """What it says of itself: `trouble` with its disk, in words, and `saved_at`, up to when (in
        seconds since 1970) all is on disk; None where it is not up."""
        asked = _signed(f"{self.endpoint}{HEALTH}", self.region, credentials(self.folder))
        try:
            with urlopen(asked, timeout=10) as answer:
                return dict(json.loads(answer.read()))
        except (URLError, OSError, ValueError):
            return None


def settled(cloud: LocalCloud) -> None:
    """Wait until all that was done up to now is on disk: no kill undoes it any more."""
    now = time.time()
    while (told := cloud.health()) is not None and told["saved_at"] < now and not told["trouble"]:
        time.sleep(0.1)


def trouble() -> list[str]:
    """Lines about what is wrong with the local cloud that this process talks to, if it talks to
    one."""
    cloud = running(_used[-1].folder) if _used else None
    told = cloud.health() if cloud else None
    return [told["trouble"]] if told and told["trouble"] else []


def _signed(url: str, region: str, keys: Mapping[str, str]) -> Request:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("GET", url)
    signer = Credentials(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(signer, "execute-api", region).add_auth(request)
    return Request(url, headers=dict(request.headers))


def folder_of(home: Path) -> Path:
    """Where the local cloud of `darkroom local` keeps everything."""
    return home / "local"


def running(folder: Path) -> LocalCloud | None:
    """The local cloud that is up with the state in `folder`; None where there is none."""
    try:
        told = json.loads((folder / "process.json").read_text())
    except (FileNotFoundError, ValueError):  # none yet, or not written whole
        return None
    known = LocalCloud(told["pid"], told["port"], told["region"], told["page_port"], folder)
    return known if known.answers else None


def require(folder: Path) -> LocalCloud:
    """The local cloud that is up. Raises `UsageError` where there is none."""
    cloud = running(folder)
    if cloud is None:
        raise UsageError("the local cloud is not up: `darkroom local up` starts it")
    return cloud


def use(cloud: LocalCloud) -> None:
    """Let every client of this process talk to the local cloud, and to nothing else."""
    import boto3  # which takes a while

    _used.append(cloud)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    os.environ.update({**cloud.environment, "AWS_EC2_METADATA_DISABLED": "true"})
    boto3.setup_default_session()  # the former has read other keys


def start(folder: Path, home: Path, port: int | None, cores: int) -> LocalCloud:
    """Start the local cloud with the state it was left with; the one that is up if there is one.

    Raises `UsageError` where the port is taken, or is not that of the state.
    """
    with _only_one_start(folder):
        last = _last_port(folder, "port")
        if port and last and port != last:
            raise UsageError(
                f"what is in the local cloud has addresses at port {last}: leave out --port, or "
                "begin anew with `darkroom local reset`"
            )
        return running(folder) or _start(folder.resolve(), home, port or last, cores)


def _start(folder: Path, home: Path, port: int | None, cores: int) -> LocalCloud:
    """With the state in `folder`, an absolute path: the server and its jobs work elsewhere."""
    chosen = port or _free_port()
    last_page = _last_port(folder, "page_port")
    page_port = last_page or _free_port()
    for wanted in (chosen, page_port):
        if _is_taken(wanted):
            instead = (
                "end what has it, or `darkroom local reset`" if last_page else "choose another"
            )
            raise UsageError(f"port {wanted} is taken: {instead}")
    command = [sys.executable, "-m", "local_cloud.server", str(chosen), str(page_port),
               REGION, str(cores), str(folder), str(home)]  # fmt: skip
    with log_file(folder).open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _started.append(process)
    cloud = LocalCloud(process.pid, chosen, REGION, page_port, folder)
    told = {"pid": process.pid, "port": chosen, "region": REGION, "page_port": page_port}
    try:
        (folder / "process.json").write_text(json.dumps(told))
        _wait_for(cloud, process, log_file(folder))
    except BaseException:
        process.terminate()  # nobody would know of it
        raise
    return cloud


@contextmanager
def _only_one_start(folder: Path) -> Iterator[None]:
    """Let a second `local up` wait for the first, and find what it started; make the folder its
    owner's alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    with (folder / ".starting").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        credentials(folder)
        yield


def _wait_for(cloud: LocalCloud, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not cloud.answers:
        if process.poll() is not None or time.monotonic() > deadline:
            raise DarkroomError(f"the local cloud did not start; its log: {log}")
        time.sleep(0.1)


def stop(folder: Path) -> bool:
    """Stop the local cloud; its state stays. False where it was not up."""
    cloud = running(folder)
    if cloud is None:
        return False
    os.kill(cloud.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while _is_alive(cloud.pid):
        if time.monotonic() > deadline:
            raise DarkroomError(f"process {cloud.pid} does not stop; end it with: kill {cloud.pid}")
        time.sleep(0.1)
    return True


def reset(folder: Path) -> None:
    """Stop the local cloud and forget everything in it."""
    stop(folder)
    shutil.rmtree(folder, ignore_errors=True)


def log_file(folder: Path) -> Path:
    """The server's own log."""
    return folder / "server.log"


def _is_alive(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:  # our own child
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _last_port(folder: Path, which: str) -> int | None:
    """A port of the last time: queue addresses in the stack's outputs name it, and bookmarks."""
    try:
        return int(json.loads((folder / "process.json").read_text())[which])
    except (FileNotFoundError, KeyError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
