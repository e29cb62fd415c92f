"""Word to people: a run is done, or failed."""

from __future__ import annotations

from dataclasses import dataclass
from time import time
from typing import Any

from darkroom.layout import erasure_certificate
from darkroom.run.receipt import Receipt
from functions.runs.records import RunRecord

_LONGEST_SUBJECT = 100  # of SNS, ASCII


@dataclass(frozen=True)
class Notifier:
    """Publishes to an SNS topic. `sns` is a boto3 client. A message may come twice after a crash;
    none is lost."""

    sns: Any
    topic_arn: str
    results: str

    def done(self, record: RunRecord, account: Receipt, cost: str) -> None:
        """A run's receipt, with where its results are."""
        lines = [f"Batch {record.batch}, run {record.run}: done.", "", account.equation]
        lines += [f"  {count} {reason}" for reason, count in account.rejected_by_reason.items()]
        if account.skipped:
            lines.append(f"  {account.skipped} files that are no images were skipped")
        if account.expected not in (None, account.found + account.skipped):
            lines.append(f"  the marker announced {account.expected} files")
        if account.drift is not None:
            lines += ["", f"Drift: {account.drift.words}"]
        lines += [
            "",
            f"Features     {self.results}/{record.key.results}/",
            f"CSV          {self.results}/{record.key.csv}",
            f"Receipt      {self.results}/{record.key.receipt}",
            f"Time         {time() - record.opened_at:.0f} s since the first upload",
            f"Billed       {record.vcpu_hours:.3f} vCPU-hours, "
            f"{record.memory_gb_hours:.3f} GB-hours, cost {cost}",
        ]
        self._send(f"Darkroom: {record.batch} run {record.run} is done", lines)

    def failed(self, record: RunRecord, reason: str) -> None:
        """Why a run failed, and what to do."""
        lines = [
            f"Batch {record.batch}, run {record.run}: failed.",
            "",
            reason,
            "",
            "No upload is lost. When the cause is gone, try again with:",
            f"  darkroom retry {record.batch!r} --run {record.run}",
        ]
        self._send(f"Darkroom: {record.batch} run {record.run} FAILED", lines)

    def erased(self, record: RunRecord, images: int) -> None:
        """How much was erased, and where the proof is. It names no image."""
        lines = [f"Erasure {record.run}: done, {images} files erased.", "", "Certificates:"]
        lines += [
            f"  {self.results}/{erasure_certificate(asked['id'])}" for asked in record.requests
        ]
        self._send(f"Darkroom: erasure {record.run} is done", lines)

    def _send(self, subject: str, lines: list[str]) -> None:
        printable = "".join(c if c.isascii() and c.isprintable() else "?" for c in subject)
        self.sns.publish(
            TopicArn=self.topic_arn,
            Subject=printable[:_LONGEST_SUBJECT],
            Message="\n".join(lines),
        )
