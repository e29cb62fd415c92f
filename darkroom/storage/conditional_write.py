"""Writes on condition, to their end: landed, not landed, or nobody can say.

Of a write that was refused it is known that it did not land (`ConflictError`): what was prepared
for it may be cleared away. Of one whose answer was lost nothing is known (`LostAnswerError`):
nothing may be touched, but it can be looked at again.
"""

from __future__ import annotations

from darkroom.errors import ConflictError, LostAnswerError, ObjectNotFoundError
from darkroom.storage.store import Requirement, Store, Versioned

_TRIES = 5


def write_on_condition(store: Store, key: str, data: bytes, requirement: Requirement) -> None:
    """Write if the requirement is met, and look again where the answer was lost: an object that
    holds these bytes has landed, one that is as it was is written once more.

    Raises `ConflictError` where the write did not land, `LostAnswerError` where nobody can say.
    """
    lost: LostAnswerError | None = None
    for _ in range(_TRIES):
        try:
            store.write_if(key, data, requirement)
            return
        except ConflictError:
            if lost is None:
                raise
        except LostAnswerError as error:
            lost = error
        there = _there(store, key)
        if there is not None and there.data == data:
            return
        if (there.etag if there else None) != requirement.etag:
            break
    assert lost is not None
    raise lost


def _there(store: Store, key: str) -> Versioned | None:
    try:
        return store.read_versioned(key)
    except ObjectNotFoundError:
        return None
