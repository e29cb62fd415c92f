"""What a run cost."""

from __future__ import annotations

from dataclasses import dataclass

from functions.runs.records import RunRecord


@dataclass(frozen=True)
class Prices:
    """Prices in `currency`: of EMR Serverless per vCPU-hour and GB-hour, of Lambda per GB-second.
    Source: the template's parameters, since AWS changes them by region and time."""

    vcpu_hour: float
    memory_gb_hour: float
    storage_gb_hour: float
    function_gb_second: float
    currency: str

    def words(self, cost: float | None) -> str:
        """A cost for people to read."""
        return "not told by AWS yet" if cost is None else f"{cost:.4f} {self.currency}"

    def cost_of(self, record: RunRecord) -> float | None:
        """The cost of all the run's attempts, from their billed resources; None where the last
        one's bill is not made up yet."""
        if record.images and record.billed_attempt < record.attempt:
            return None
        return round(
            record.vcpu_hours * self.vcpu_hour
            + record.memory_gb_hours * self.memory_gb_hour
            + record.storage_gb_hours * self.storage_gb_hour
            + record.function_gb_seconds * self.function_gb_second,
            6,
        )
