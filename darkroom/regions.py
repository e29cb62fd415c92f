"""Where images may be stored and processed: on the EU's soil, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping

from darkroom.errors import UsageError

# Where EMR Serverless exists in the EU; the last one is the European Sovereign Cloud's. The
# template's rule has the same list, held equal by a test.
EU_REGIONS = ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3",
              "eusc-de-east-1")  # fmt: skip


def require_eu(region: str | None) -> None:
    """Raise `UsageError` that names the region, unless it is one of `EU_REGIONS`."""
    if region not in EU_REGIONS:
        where = f"region {region}" if region else "no region"
        raise UsageError(
            f"{where}: images are stored and processed in the EU alone, in one of "
            f"{', '.join(EU_REGIONS)}; choose with --region or AWS_DEFAULT_REGION"
        )


def region_of(environment: Mapping[str, str]) -> str | None:
    """The region that AWS clients of this environment talk to."""
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
