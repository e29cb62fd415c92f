"""The block list, as long as it stays the same read only once by a process."""

from __future__ import annotations

from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from darkroom.erasure import block_list
from darkroom.erasure.block_list import NOTHING_BLOCKED, BlockList
from darkroom.layout import BLOCK_LIST
from functions.aws.bucket import Bucket


@dataclass
class ErasedUploads:
    """Asks S3 each time, but for news alone."""

    results: Bucket
    _etag: str = ""
    _known: BlockList = field(default_factory=lambda: NOTHING_BLOCKED)

    def now(self) -> BlockList:
        """The list as it is."""
        news = {"IfNoneMatch": self._etag} if self._etag else {}
        try:
            answer = self.results.s3.get_object(Bucket=self.results.name, Key=BLOCK_LIST, **news)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status not in (304, 404):
                raise
            return self._known if status == 304 else NOTHING_BLOCKED
        self._known, self._etag = block_list.unpack(answer["Body"].read()), answer["ETag"]
        return self._known
