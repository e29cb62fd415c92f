"""The object `<batch>/_READY`: what it may say, and what of that is understood."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from darkroom import strict_json
from darkroom.errors import DarkroomError
from darkroom.manifest import Entry
from functions.runs.parts import Marker

MOST_IMAGES = 1_000_000_000
_LONGEST_BYTES = 1000
_SHAPE = 'leave it empty, or write {"images": 22688}'


def read_marker(s3: Any, marker: Entry) -> Marker:
    """The marker as it is stored now; one that is gone announces nothing. `s3` is a boto3 client.

    Raises `DarkroomError` for what another try may mend: nobody else's upload has to wait for that.
    """
    bucket = marker.store.removeprefix("s3://")
    try:
        body = s3.get_object(Bucket=bucket, Key=marker.key)["Body"].read(_LONGEST_BYTES + 1)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return Marker(marker.sequencer)
        if status >= 500 or status == 429:
            raise DarkroomError(f"the marker cannot be read now: {error}") from error
        code = error.response["Error"].get("Code", str(status))
        return Marker(marker.sequencer, problem=f"it cannot be read ({code})")
    return marker_in(body, marker.sequencer)


def marker_in(body: bytes, sequencer: str = "") -> Marker:
    """What a marker's bytes say.

    >>> marker_in(b'{"images": 3}').images, marker_in(b" ").problem
    (3, '')
    >>> marker_in(b'{"images": "many"}').problem
    'its "images" is no whole number from 0 to 1000000000'
    """
    if len(body) > _LONGEST_BYTES:
        return Marker(sequencer, problem=f"it is longer than {_LONGEST_BYTES} bytes: {_SHAPE}")
    if not body.strip():
        return Marker(sequencer)
    try:
        told = strict_json.parse(body)
    except ValueError:
        return Marker(sequencer, problem=f"it is no JSON: {_SHAPE}")
    if not isinstance(told, dict) or set(told) - {"images"}:
        return Marker(sequencer, problem=f"it says something else: {_SHAPE}")
    images = told.get("images")
    if images is None and "images" not in told:
        return Marker(sequencer)
    if not isinstance(images, int) or isinstance(images, bool) or not 0 <= images <= MOST_IMAGES:
        return Marker(sequencer, problem=f'its "images" is no whole number from 0 to {MOST_IMAGES}')
    return Marker(sequencer, images)
