"""What Lambda hands to a handler."""

from __future__ import annotations

from typing import Any

import boto3

REGION = "eu-west-1"


class Context:
    """Lambda's."""

    function_name = "test"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:test"
    aws_request_id = "request"
    milliseconds = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def sqs_record(number: str, body: str) -> dict[str, Any]:
    return {
        "messageId": number,
        "receiptHandle": "handle",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1",
            "SenderId": "x",
            "ApproximateFirstReceiveTimestamp": "1",
        },
        "messageAttributes": {},
        "md5OfBody": "x",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:queue",
        "awsRegion": REGION,
    }


def drain(url: str) -> None:
    """Take out of a queue what is in it. (It may be purged once a minute.)"""
    sqs = boto3.client("sqs")
    while found := sqs.receive_message(QueueUrl=url).get("Messages"):
        for message in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def waits(url: str) -> bool:
    """Whether a queue has a message."""
    told = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return told["Attributes"]["ApproximateNumberOfMessages"] != "0"
