"""The process of the local cloud: ministack with EMR Serverless, on loopback.

Started by `darkroom local up`; `LocalCloud` says with what.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

ACCOUNT = "000000000000"
SERVICES = ("apigateway", "cloudformation", "cloudwatch", "cognito-idp", "dynamodb", "events",
            "glue", "iam", "kms", "lambda", "logs", "s3", "sns", "sqs", "ssm", "sts",
            "tagging")  # fmt: skip


def credentials(folder: Path) -> dict[str, str]:
    """The keys of the cloud with its state in `folder`, made at its first start; readable by its
    owner alone. The access key is the account's number, as ministack gives it to functions."""
    file = folder / "credentials.json"
    try:
        secret = str(json.loads(file.read_text())["secret"])
    except FileNotFoundError:
        secret = secrets.token_urlsafe(30)
        beside = file.with_suffix(".partial")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as made:
            json.dump({"secret": secret}, made)
        beside.replace(file)
    return {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": secret}


def settings(port: int, region: str, folder: Path) -> dict[str, str]:
    """ministack's environment."""
    return {
        **credentials(folder),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "LAMBDA_EXECUTOR": "local",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder / "tmp"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "s3"),
        "LOG_LEVEL": "INFO",
        "SERVICES": ",".join(SERVICES),
        "IOT_MTLS_ENABLED": "0",
    }


def main(port: int, page_port: int, region: str, cores: int, folder: Path, home: Path) -> None:
    """Serve until told to stop."""
    _prepare(port, region, folder)

    import boto3
    from ministack import app

    from local_cloud import ministack_fixes as fixes
    from local_cloud.access.guard import Guard
    from local_cloud.checkpoint import Checkpoint
    from local_cloud.emr.service import EmrServerless
    from local_cloud.emr.spark_submit import SparkSubmit
    from local_cloud.front_door import FrontDoor
    from local_cloud.storage_room import StorageRoom, free_of

    endpoint = f"http://127.0.0.1:{port}"
    guard = Guard(ACCOUNT, region, os.environ["AWS_SECRET_ACCESS_KEY"])
    runner = SparkSubmit(guard.keys_of_role, folder / "jobs", home, cores, endpoint, region)
    emr = EmrServerless(folder / "emr.json", ACCOUNT, region, cores, runner, _tell)
    room = StorageRoom(partial(free_of, folder), logging.getLogger("storage").error)
    checkpoint = Checkpoint(folder, room.saved)
    logging.getLogger("persistence").setLevel(logging.WARNING)  # a line each second otherwise
    fixes.apply(guard.keys_of_role)
    _add_service(app, emr)
    _set_gate(app, port, page_port, guard, room, checkpoint)

    functions = boto3.client("lambda", endpoint_url=endpoint, region_name=region)

    def when_up() -> None:
        _wait_for(port)
        fixes.show_what_nobody_works_on()
        FrontDoor(page_port, functions).start()
        emr.start()
        checkpoint.begin()

    threading.Thread(target=when_up, name="start", daemon=True).start()
    sys.argv = ["ministack"]
    app.main()
    emr.stop()
    checkpoint.end()


def _prepare(port: int, region: str, folder: Path) -> None:
    """What ministack finds when it is imported."""
    os.umask(0o077)  # what is kept here is its owner's alone
    shutil.rmtree(folder / "tmp", ignore_errors=True)  # unpacked functions of the last time
    (folder / "tmp").mkdir(parents=True)
    os.environ.update(settings(port, region, folder))


def _set_gate(app: Any, port: int, page_port: int, guard: Any, room: Any, checkpoint: Any) -> None:
    """Let nobody speak to ministack but by the gate."""
    from ministack.services import s3

    from local_cloud.access.signatures import Signatures
    from local_cloud.gate import Gate

    app.app = Gate(
        app.app,
        hosts=frozenset({f"127.0.0.1:{port}", f"localhost:{port}"}),
        page=f"http://127.0.0.1:{page_port}",
        is_bucket=lambda name: (ACCOUNT, name) in s3._buckets._data,
        signatures=Signatures(guard.secret_of),
        guard=guard,
        room=room,
        health=lambda: {"trouble": room.trouble, "saved_at": checkpoint.saved_at},
    )


def _add_service(app: Any, emr: Any) -> None:
    """Route EMR Serverless' requests to it, and its resource in templates."""
    from ministack.core import router
    from ministack.services.cloudformation import provisioners

    async def handle(
        method: str, path: str, headers: Any, body: bytes, query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        answer = emr.answer(method, path, body, query)
        error = {"x-amzn-ErrorType": answer.error} if answer.error else {}
        encoded = json.dumps(answer.body).encode()
        return answer.status, {"Content-Type": "application/json", **error}, encoded

    app.SERVICE_HANDLERS["emr-serverless"] = handle
    router.SERVICE_PATTERNS["emr-serverless"] = {"host_patterns": [r"emr-serverless\."]}
    provisioners._RESOURCE_HANDLERS["AWS::EMRServerless::Application"] = {
        "create": emr.create_application,
        "update": emr.update_application,
        "delete": emr.delete_application,
    }


def _tell(job: dict[str, Any], before: str) -> None:
    """A state change, as EventBridge gets it from EMR Serverless."""
    from ministack.services import eventbridge

    names = ("jobRunId", "applicationId", "arn", "releaseLabel", "state",
             "createdBy", "createdAt", "updatedAt")  # fmt: skip
    detail = {**{name: job[name] for name in names}, "previousState": before}
    entry = {
        "Source": "aws.emr-serverless",
        "DetailType": "EMR Serverless Job Run State Change",
        "Detail": json.dumps(detail),
        "Resources": [],
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _wait_for(port: int) -> None:
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


if __name__ == "__main__":
    _, port, page_port, region, cores, folder, home = sys.argv
    main(int(port), int(page_port), region, int(cores), Path(folder), Path(home))
