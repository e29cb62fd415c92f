"""Certificates are signed with an asymmetric key of KMS, which never leaves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from darkroom.erasure.certificate import ALGORITHM, Signature


@dataclass(frozen=True)
class KmsSigner:
    """Signs, and checks signatures. `kms` is a boto3 client; `key` an id or ARN."""

    kms: Any
    key: str

    def sign(self, digest: bytes) -> Signature:
        """See `Signer`."""
        answer = self.kms.sign(
            KeyId=self.key, Message=digest, MessageType="DIGEST", SigningAlgorithm=ALGORITHM
        )
        return Signature(str(answer["KeyId"]).rpartition("/")[2], answer["Signature"])

    def is_valid(self, digest: bytes, signature: Signature) -> bool:
        """Whether this key made the signature."""
        try:
            answer = self.kms.verify(
                KeyId=self.key,
                Message=digest,
                MessageType="DIGEST",
                SigningAlgorithm=ALGORITHM,
                Signature=signature.value,
            )
        except self.kms.exceptions.KMSInvalidSignatureException:
            return False
        return bool(answer["SignatureValid"])
