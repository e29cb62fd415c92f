"""Where ministack 1.5.33 differs from AWS in what Darkroom relies on. Private functions are
replaced, so its version is pinned; each fix has a test, and goes when a version does without."""

from __future__ import annotations

import time
from typing import Any

_waiting_since: dict[str, float] = {}


def fill_batches() -> None:
    """Let event source mappings of SQS wait for their batching window, and take more than ten
    messages at once."""
    from ministack.services import lambda_svc, sqs

    def window(url: str) -> float:
        name = url.rsplit("/", 1)[-1]
        for _, _, mapping in lambda_svc._iter_all_esms():
            if mapping.get("EventSourceArn", "").rsplit(":", 1)[-1] == name:
                return float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        return 0

    def receive(url: str, most: int) -> list[dict[str, Any]]:
        now = time.time()
        with sqs._queues_lock:
            queue = sqs._get_q(url)
            sqs._expire_retained(queue)
            sqs._dlq_sweep(queue)
            visible = sum(1 for message in queue["messages"] if message.get("visible_at", 0) <= now)
            if not visible:
                _waiting_since.pop(url, None)
                return []
            waited = now - _waiting_since.setdefault(url, now)
            if visible < most and waited < window(url):
                return []
            _waiting_since.pop(url, None)
            seconds = int(queue["attributes"].get("VisibilityTimeout", "30"))
            taken: list[dict[str, Any]] = []
            while len(taken) < most:
                some = sqs._collect_msgs(queue, min(10, most - len(taken)), seconds)
                if not some:
                    break
                taken += some
            return taken

    sqs._receive_messages_for_esm = receive


def accept_trails() -> None:
    """Let a template have a CloudTrail trail: nothing is recorded, since whoever may read this
    machine's files needs none of it."""
    from ministack.services.cloudformation import provisioners

    def create(
        logical_id: str, properties: dict[str, Any], stack: str
    ) -> tuple[str, dict[str, str]]:
        return str(properties.get("TrailName", logical_id)), {}

    provisioners._RESOURCE_HANDLERS["AWS::CloudTrail::Trail"] = {
        "create": create,
        "delete": lambda physical_id, properties: None,
    }
