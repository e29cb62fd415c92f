"""One log line and the metrics for each run that was submitted, is done, or has failed."""

from __future__ import annotations

from time import time

from functions.aws.observability import count, logger
from functions.runs.records import RunRecord, State


def report(record: RunRecord) -> None:
    """Log and count that a run was submitted, is done, or has failed."""
    logger.info(
        record.state.lower(),
        extra={
            "batch": record.batch,
            "run": record.run,
            "attempt": record.attempt,
            "job_run_id": record.job_run_id,
            "images": record.images,
            "processed": record.processed,
            "rejected": record.rejected,
            "missing": record.missing,
            "reason": record.reason,
            "seconds": round(time() - record.opened_at, 1),
        },
    )
    if record.state == State.SUBMITTED:
        count("RunsSubmitted")
    if record.state == State.DONE:
        count("RunsDone")
        count("ImagesProcessed", record.processed or 0)
        count("ImagesRejected", record.rejected or 0)
        count("ImagesMissing", record.missing or 0)
    if record.state == State.FAILED:
        count("RunsFailed")
        count("UnbalancedReceipts", int(record.unbalanced))
