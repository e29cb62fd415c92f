"""What an erasure that could not remove everything goes on with: what is left, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from darkroom.erasure.outcome import Found, Outcome
from darkroom.erasure.plan import Plan
from darkroom.erasure.request import ErasureRequest, Selector
from darkroom.erasure.uploads import Left


def narrowed_request(request: ErasureRequest, left: Sequence[Left]) -> ErasureRequest:
    """The request for what is left. A prefix and a batch name no image, and stay."""
    if request.selector.kind in ("prefix", "batch"):
        return request
    return replace(request, selector=Selector("keys", tuple(one.key for one in left)))


def narrowed_plan(plan: Plan, left: Mapping[str, Sequence[Left]]) -> Plan:
    """The plan for what is left: the results have been cleared of all of it."""
    names = {one.key for several in left.values() for one in several}
    return Plan(
        found=_found(plan.found, left),
        versions=[version for version in plan.versions if version.key in names],
        unfinished=[upload for upload in plan.unfinished if upload.key in names],
        uploads=[(key, upload) for key, upload in plan.uploads if key in names],
        pca_versions=[number for number in plan.pca_versions if number not in plan.doomed],
        left=plan.left,
        made_at=plan.made_at,
        blocked=True,
        cleared=True,
    )


def narrowed_outcome(outcome: Outcome) -> Outcome:
    """The outcome with the names of what is left alone."""
    return replace(outcome, found=_found(outcome.found, outcome.left), emptied=[], versions={
        number: [] for number in outcome.versions
    })  # fmt: skip


def _found(found: Mapping[str, Found], left: Mapping[str, Sequence[Left]]) -> dict[str, Found]:
    """The counts stay: they are of all that was there, and name nothing."""
    names = {number: {one.key for one in several} for number, several in left.items()}
    return {
        number: Found([key for key in one.keys if key in names.get(number, ())], [], one.counts)
        for number, one in found.items()
    }
