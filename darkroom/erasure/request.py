"""What somebody asked to be erased."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal, get_args

from darkroom.errors import UsageError
from darkroom.layout import batch_of

Kind = Literal["keys", "prefix", "batch", "content"]

_LOOSE = batch_of("", "")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Selector:
    """Which images: by object keys, a prefix of keys, a batch, or SHA-256 digests of contents."""

    kind: Kind
    values: tuple[str, ...]

    def takes(self, key: str, batch: str, content: str | None = None) -> bool:
        """Whether an image in a batch is meant."""
        match self.kind:
            case "keys":
                return key in self._set
            case "prefix":
                return key.startswith(self.values)
            case "batch":
                return batch in self.values
            case _:
                return content in self._set

    def may_take_of(self, batch: str) -> bool:
        """Whether a key that is meant can be in a batch: keys name theirs, but for those of objects
        at the bucket's root, whose batches are named by days.

        >>> Selector("keys", ("spring/1.jpg", "2.jpg")).may_take_of("spring")
        True
        >>> Selector("prefix", ("spring/apple",)).may_take_of("spring 2")
        False
        """
        match self.kind:
            case "keys" | "prefix":
                named = self._batches
                is_loose = batch.startswith("loose-") and _LOOSE in named
                begun = self.kind == "prefix" and batch.startswith(self._without_batch)
                return batch in named or is_loose or bool(self._without_batch and begun)
            case "batch":
                return batch in self.values
            case _:
                return False

    @cached_property
    def _batches(self) -> frozenset[str]:
        """Those that keys or prefixes name."""
        return frozenset(batch_of(value, "") for value in self.values)

    @cached_property
    def _without_batch(self) -> tuple[str, ...]:
        """Prefixes that end within a batch's name."""
        return tuple(value for value in self.values if "/" not in value)

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.values)

    @property
    def upload_prefixes(self) -> list[str]:
        """What to list the uploads by; a batch of uploads at the root has no prefix of its own."""
        if self.kind == "content":
            return []
        if self.kind == "batch":
            return [f"{value}/" for value in self.values if batch_of(f"{value}/", "") == value]
        return list(self.values)

    def check(self) -> None:
        """Raise `UsageError` for what could mean nothing, or everything."""
        if self.kind not in get_args(Kind) or not self.values or not all(self.values):
            raise UsageError("say what to erase: an empty name would mean everything, or nothing")
        if self.kind == "batch" and not all(map(_could_be_a_batch, self.values)):
            raise UsageError(f"there can be no batch {' or '.join(map(repr, self.values))}")
        if self.kind == "content" and not all(map(_SHA256.fullmatch, self.values)):
            raise UsageError("a content is named by its SHA-256: 64 characters of 0-9 and a-f")


def _could_be_a_batch(name: str) -> bool:
    return "/" not in name and (batch_of(f"{name}/", "") == name or name.startswith("loose-"))


@dataclass(frozen=True)
class ErasureRequest:
    """One request. `salt` (hex) is given to who asked, and kept nowhere once it is done: with it
    alone, the hashes in the certificate can be told to be those of certain keys."""

    id: str
    selector: Selector
    salt: str
    requested_at: str
    requested_by: str
    why: str
    keep_copies: bool = False

    def salted(self, text: str) -> str:
        """`text` as the certificate names it."""
        return salted(self.salt, text)

    @property
    def summary(self) -> dict[str, object]:
        """The request without what it names: who, when, why, and by what kind of selector."""
        return {
            "id": self.id,
            "requested_at": self.requested_at,
            "requested_by": self.requested_by,
            "why": self.why,
            "selector": self.selector.kind,
            "values": len(self.selector.values),
            "keep_copies": self.keep_copies,
        }


def salted(salt: str, text: str) -> str:
    """HMAC-SHA-256 of `text` under a hexadecimal salt, in hexadecimal."""
    return hmac.new(bytes.fromhex(salt), text.encode(), hashlib.sha256).hexdigest()


def pack(request: ErasureRequest) -> bytes:
    """As JSON."""
    return json.dumps(asdict(request), ensure_ascii=False).encode()


def unpack(data: bytes) -> ErasureRequest:
    """The request that `pack` wrote."""
    told = json.loads(data)
    selector = Selector(told["selector"]["kind"], tuple(told["selector"]["values"]))
    return ErasureRequest(**{**told, "selector": selector})
