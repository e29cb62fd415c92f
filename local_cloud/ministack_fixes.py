"""Where ministack 1.5.33 differs from AWS in what Darkroom relies on. Private functions are
replaced, so its version is pinned; each fix has a test, and goes when a version does without."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

_waiting_since: dict[str, float] = {}


def apply(keys_of_role: Callable[[str], dict[str, str]]) -> None:
    """All that are in force from the start. `keys_of_role` gives the keys for a role's ARN."""
    give_functions_their_roles(keys_of_role)
    fill_batches()
    accept_trails()
    refuse_taken_tables()
    refuse_stacks_that_were_never_made()
    keep_or_refuse()
    spell_all_keys()


def give_functions_their_roles(keys_of_role: Callable[[str], dict[str, str]]) -> None:
    """Let each function work with the keys of its own role, as it does with Lambda."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    def credentials(config: dict[str, Any]) -> dict[str, str]:
        return keys_of_role(config["Role"])

    lambda_runtime.execution_credentials = lambda_svc.execution_credentials = credentials


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


def refuse_stacks_that_were_never_made() -> None:
    """Let no change set follow a creation that failed: the stack has to be deleted first."""
    from ministack.services import cloudformation
    from ministack.services.cloudformation import handlers, helpers

    create = handlers._ACTION_HANDLERS["CreateChangeSet"]

    def created(parameters: dict[str, Any]) -> Any:
        name = helpers._p(parameters, "StackName")
        status = (cloudformation._stacks.get(name) or {}).get("StackStatus", "")
        if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
            words = f"Stack:{name} is in {status} state and can not be updated."
            return helpers._error("ValidationError", words)
        return create(parameters)

    handlers._ACTION_HANDLERS["CreateChangeSet"] = created


def refuse_taken_tables() -> None:
    """Let the creation of a table fail where there is one of its name: ministack puts an empty one
    in its place."""
    from ministack.services import dynamodb
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]
    create = handlers["create"]

    def created(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        name = properties.get("TableName")
        if name in dynamodb._tables:
            raise ValueError(f"Table already exists: {name} (HandlerErrorCode: AlreadyExists)")
        return create(logical_id, properties, stack)

    handlers["create"] = created


@dataclass
class _Write:
    """A write under way: what it fails with, whom it would tell, and what was there before."""

    error: OSError | None = None
    events: list[tuple[Any, Any]] = field(default_factory=list)
    before: list[tuple[str, str, Any, list[Any]]] = field(default_factory=list)


class _Writes(threading.local):
    """The write of each thread."""

    now: _Write | None = None


def keep_or_refuse() -> None:
    """Let an object that cannot be written to disk be refused (500, as S3 fails), and nobody be
    told of it: ministack answers 200, and has lost it at its next start."""
    from ministack.services import s3

    writes = _Writes()
    _watch_writes(s3, writes)
    for name in ("_put_object", "_post_object", "_complete_multipart_upload", "_copy_object"):
        setattr(s3, name, _kept(s3, writes, getattr(s3, name)))


def _watch_writes(s3: Any, writes: _Writes) -> None:
    """Let what ministack does during a write be known: its error, which it only logs, its events,
    which go out before it, and what it replaces."""
    write, fire, record = s3._atomic_write, s3._fire_s3_event_async, s3._record_object_version

    def watched_write(*arguments: Any, **options: Any) -> None:
        try:
            write(*arguments, **options)
        except OSError as error:
            if writes.now:
                writes.now.error = error
            raise

    def told_later(*arguments: Any, **options: Any) -> None:
        if writes.now:
            writes.now.events.append((arguments, options))
        else:
            fire(*arguments, **options)

    def remembered(bucket: str, key: str, prior: Any, *others: Any) -> Any:
        if writes.now:
            versions = list(s3._object_versions.get((bucket, key)) or [])
            writes.now.before.append((bucket, key, prior, versions))
        return record(bucket, key, prior, *others)

    s3._atomic_write, s3._fire_s3_event_async = watched_write, told_later
    s3._record_object_version = remembered


def _kept(s3: Any, writes: _Writes, store: Callable[..., Any]) -> Callable[..., Any]:
    def storing(*arguments: Any) -> Any:
        writes.now = this = _Write()
        try:
            answer = store(*arguments)
        finally:
            writes.now = None
        if this.error is not None:
            _put_back(s3, this)
            return s3._error("InternalError", f"the object was not kept: {this.error}", 500)
        for words, options in this.events:
            s3._fire_s3_event_async(*words, **options)
        return answer

    return storing


def _put_back(s3: Any, failed: _Write) -> None:
    for bucket, key, prior, versions in failed.before:
        objects = s3._buckets[bucket]["objects"]
        if prior is None:
            objects.pop(key, None)
            s3._delete_persisted_object(bucket, key)  # its bytes may have been written
        else:
            objects[key] = prior
        if (bucket, key) in s3._object_versions:
            s3._object_versions[bucket, key] = versions


def spell_all_keys() -> None:
    """Let listings of versions and of unfinished uploads answer with `encoding-type=url`, as S3
    does: some characters of keys cannot be in XML, and ministack fails on them."""
    from ministack.services import s3

    now = threading.local()
    packed = s3._xml_body
    named = ("Key", "Prefix", "Delimiter", "KeyMarker", "NextKeyMarker")

    def encoded(root: Any) -> Any:
        if getattr(now, "encodes", False):
            for element in root.iter():
                if element.tag in named and element.text:
                    element.text = quote(element.text, safe="/")
            s3.SubElement(root, "EncodingType").text = "url"
        return packed(root)

    def encoding(listing: Callable[..., Any]) -> Callable[..., Any]:
        def listed(bucket: str, query: dict[str, Any]) -> Any:
            now.encodes = query.get("encoding-type") == ["url"]
            try:
                return listing(bucket, query)
            finally:
                now.encodes = False

        return listed

    s3._xml_body = encoded
    for name in ("_list_object_versions", "_list_multipart_uploads"):
        setattr(s3, name, encoding(getattr(s3, name)))


def show_what_nobody_works_on() -> None:
    """At a start: what functions had taken from queues is there for others at once. Those functions
    ended with the cloud that ended, and their messages would be hidden for minutes."""
    from ministack.services import sqs

    with sqs._queues_lock:
        for queue in sqs._queues._data.values():
            for message in queue["messages"]:
                if message.get("receipt_handle"):
                    message["visible_at"] = 0
