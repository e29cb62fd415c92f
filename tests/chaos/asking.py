"""Requests to the local cloud's own port, signed or forged."""

from __future__ import annotations

from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3 import PoolManager
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from cli.on_stack.stack import Stack
from functions.web.links import Links, signing_client
from local_cloud import control

EVIL = "http://evil.example"

HTTP = PoolManager(retries=False)


def ask(cloud: control.LocalCloud, method: str, path: str, headers: Any, body: bytes) -> Any:
    """A raw request."""
    return HTTP.request(method, f"{cloud.endpoint}{path}", body=body, headers=headers)


def signed(
    cloud: control.LocalCloud, method: str, path: str, service: str, body: bytes = b"",
    secret: str = "", key: str = "", **headers: str,
) -> dict[str, str]:  # fmt: skip
    """The headers of a request that is signed as AWS' SDKs sign it."""
    keys = cloud.environment
    request = AWSRequest(method, f"{cloud.endpoint}{path}", data=body, headers=headers)
    credentials = Credentials(
        key or keys["AWS_ACCESS_KEY_ID"], secret or keys["AWS_SECRET_ACCESS_KEY"]
    )
    SigV4Auth(credentials, service, cloud.region).add_auth(request)
    return dict(request.headers)


def form(cloud: control.LocalCloud, stack: Stack) -> Any:
    return Links(signing_client(), stack.uploads, stack.results.name, 2000).upload_form("forms")


def send(made: Any, fields: dict[str, str], body: bytes = b"small", path: str = "") -> int:
    parts = [RequestField(name, value) for name, value in fields.items()]
    file = RequestField("file", body, filename="a.jpg")
    for part in (*parts, file):
        part.make_multipart()
    data, kind = encode_multipart_formdata([*parts, file])
    return HTTP.request(
        "POST",
        made.url + path,
        body=data,
        headers={"Content-Type": kind, "X-Amz-Target": "AWSIE.X"},
    ).status
