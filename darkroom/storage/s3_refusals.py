"""What S3 says where it does not give an object: of that object alone, or of the whole bucket."""

from __future__ import annotations

import re

from darkroom.errors import DarkroomError, ObjectNotFoundError, UnreadableObjectError

# By these nothing in the bucket can be read: no fault of the object that was asked for.
_OF_THE_BUCKET = frozenset(
    {
        "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed", "ExpiredToken",
        "InvalidAccessKeyId", "InvalidToken", "NoSuchBucket", "PermanentRedirect",
        "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
    }
)  # fmt: skip
_GONE = (404, 405)  # 405: the version that was asked for is a delete marker
_OF_THE_MOMENT = (408, 429)
_STATUS = re.compile(r"status code: (\d{3})")
_WORDS = re.compile(r"<Code>([\w.]+)</Code>(?:\s*<Message>([^<]*)</Message>)?")
_BREAKS_OFF = re.compile(
    r"Content-Range header not present|response body error|decoding response body"
)


def refused(what: str, status: int, code: str, words: str = "") -> DarkroomError | None:
    """What to raise, by the answer's HTTP status and S3's code: `ObjectNotFoundError` or
    `UnreadableObjectError` for one object; None for what is of the moment."""
    if not 400 <= status < 500 or status in _OF_THE_MOMENT:
        return None
    if code in _OF_THE_BUCKET:
        return DarkroomError(f"{what}: S3 says {code}{f' ({words})' if words else ''}")
    if status in _GONE:
        return ObjectNotFoundError(f"{what} is not there")
    if code in ("", "AccessDenied"):
        return UnreadableObjectError(f"{what}: access denied")
    return UnreadableObjectError(f"{what}: {code}{f' ({words})' if words else ''}")


def breaks_off(error: Exception) -> bool:
    """Whether an answer has begun well, and ended before its end."""
    return bool(_BREAKS_OFF.search(str(error)))


def refused_by_text(what: str, error: Exception) -> DarkroomError | None:
    """The same of an error of obstore's, which has S3's answer in its text."""
    text = str(error)
    if breaks_off(error):
        return UnreadableObjectError(f"{what}: its content breaks off, also when it is read again")
    status, told = _STATUS.search(text), _WORDS.search(text)
    if status is None:
        return None
    return refused(what, int(status[1]), told[1] if told else "", (told[2] or "") if told else "")
