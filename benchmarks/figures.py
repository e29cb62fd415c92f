"""Figures in documents: filled in from the files that hold them, and found where none does.

What holds figures: `results/*.json`, the parameters of `template.yaml`, and the constants of the
code. A slide names them, `{{end_to_end.seconds.all:.0f}}`, and gets them when it is built; a
document that is read as it is states them, and `unheld` finds those that no file holds (any more).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from awscli.customizations.cloudformation.yamlhelper import yaml_parse

from benchmarks.latency import DELAY_SECONDS
from benchmarks.record import RESULTS
from darkroom.coordinates.pca import KEEP_SHARE
from darkroom.errors import UsageError
from darkroom.explore.cache import CACHED_BYTES
from darkroom.explore.map import MOST_POINTS
from darkroom.explore.outliers import SAMPLE
from darkroom.images.contract import DISPLAY
from darkroom.images.outcome import Limits
from darkroom.storage.parquet import COMPONENTS
from emr_serverless_job.parts import PART_IMAGES
from functions.submission.job_runs import worker_conf
from functions.web.explore_view import MOST_COMPARED, MOST_LOOKED_AT
from local_cloud.emr.spark_submit import LOG_SECONDS
from local_cloud.storage_room import RESERVE_BYTES

# what AWS sets, as its documents say in 2026
AWS = {
    "item_bytes": 400_000,  # DynamoDB
    "api_gateway_seconds": 30,
    "free_storage_bytes": 20 * 10**9,  # of an EMR Serverless worker
    "queue_days": 14,  # SQS, the longest
    "backups_days": 35,  # DynamoDB's point in time recovery
    "arm64_cheaper": 0.20,
}

_FILLED = re.compile(r"\{\{\s*([\w.-]+)(?:\*(\d+))?(?::([^}\s]+))?\s*\}\}")
_NUMBER = r"(?<![\w.,\u202f-])(\d{1,3}(?:[,\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"
_THIN = "\u202f"  # a narrow no-break space

# a unit, as documents write it; the names under which values of that kind are held, and by what a
# held value is multiplied to be in it
_UNITS: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    (r"s|seconds?|secondes?", r"(?<!per_)second", (1,)),
    (r"ms", r"(?<!per_)second", (1000,)),
    (r"min|minutes?", r"(?<!per_)second|minute", (1, 1 / 60)),
    (r"h|hours?|heures?", r"(?<!per_)second", (1 / 3600,)),
    (r"days?|jours?", r"days", (1,)),
    (r"years?|ans?", r"days", (1 / 365,)),
    (r"MB|Mo", r"megabyte|bytes", (1, 1e-6)),
    (r"GB|Go", r"megabyte|bytes", (1e-3, 1e-9)),
    (r"KB|kB|Ko|ko", r"bytes", (1e-3,)),
    (r"megapixels|mégapixels", r"megapixels", (1,)),
    (r"%", r"ratio|share|variance_kept|cheaper", (100,)),
    (r"images/s", r"images_per_second", (1,)),
    (r"frames|a second|par seconde", r"per_second", (1,)),
    (r"times|fois|\u00d7", r"times|ratio", (1,)),
    (r"USD|\$", r"cost|usd", (1,)),
    (r"vCPU-hours?|vCPU-heures?", r"vcpu_hours", (1,)),
    (r"GB-hours?|Go-heures?", r"gb_hours", (1,)),
    (
        r"images|rows|lignes|points|photos|events|événements|faults|calls",
        r"images(?!_per)|rows|points|found|processed|rejected|missing|sample|least|most|expected",
        (1,),
    ),
)
_STATED = re.compile(
    rf"{_NUMBER}[ \u00a0\u202f]?(?:({'|'.join(unit for unit, _, _ in _UNITS)})(?!\w))"
)


@cache
def held() -> Mapping[str, Any]:
    """All that holds figures, by name: the results, `template` and `code`."""
    results = {path.stem: _result(json.loads(path.read_text())) for path in RESULTS.glob("*.json")}
    template = yaml_parse((RESULTS.parents[1] / "template.yaml").read_text())
    return {
        **results,
        "template": {name: entry.get("Default") for name, entry in template["Parameters"].items()},
        "functions": {
            name: {"memory_megabytes": entry["MemorySize"], "seconds": entry["Timeout"]}
            for name, resource in template["Resources"].items()
            if "MemorySize" in (entry := resource.get("Properties", {}))
        },
        "aws": AWS,
        "code": {
            "components": COMPONENTS,
            "kept_share": KEEP_SHARE,
            "least_images": COMPONENTS + 1,
            "most_points": MOST_POINTS,
            "part_images": {"least": PART_IMAGES[0], "most": PART_IMAGES[1]},
            "dimensions": 1280,  # MobileNetV2's, before its last layer
            "delay_seconds": DELAY_SECONDS,
            "scaled_decode_times": DISPLAY.least_scale,
            "statistics_bytes": 8 * 1280 * 1281 // 2,
            "log_seconds": LOG_SECONDS,
            "explore": {
                "looked_at": MOST_LOOKED_AT,
                "compared": MOST_COMPARED,
                "cached_megabytes": CACHED_BYTES >> 20,
                "sample": SAMPLE,
            },
            "worker_bytes": {cores: _bytes_a_core(cores) for cores in (1, 4)},
            "limits": {
                "megabytes": Limits().max_bytes >> 20,
                "megapixels": Limits().max_pixels // 10**6,
            },
            "local_cloud": {"reserve_megabytes": RESERVE_BYTES >> 20},
        },
    }


def _bytes_a_core(cores: int) -> float:
    return memory_gb(worker_conf(cores + 4, cores), "executor") * 10**9 / cores


def memory_gb(conf: Mapping[str, int | str], who: str) -> int:
    """What a worker, `driver` or `executor`, is asked for: heap and overhead."""
    kinds = ("memory", "memoryOverhead")
    return sum(int(str(conf[f"spark.{who}.{kind}"]).removesuffix("g")) for kind in kinds)


def _result(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**document["numbers"], "machine": document["machine"]["processor"]}


def fill(text: str, language: str) -> str:
    """`text` with each `{{name}}`, `{{name:format}}` or `{{name*factor:format}}` filled in.

    Formats are Python's; numbers are written as the language (`en`, `fr`) writes them. Raises
    `UsageError` where nothing of that name is held.
    """
    return _FILLED.sub(lambda found: _written(found[1], found[2], found[3], language), text)


def _written(name: str, factor: str | None, form: str | None, language: str) -> str:
    value: Any = held()
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise UsageError(f"no file holds {name}")
        value = value[part]
    if isinstance(value, str):
        return value
    text = format(value * int(factor or 1), form or ("," if isinstance(value, int) else ""))
    if language == "fr":
        text = text.replace(",", _THIN).replace(".", ",").replace("%", _THIN + "%")
    return text


def stated(text: str) -> Iterator[tuple[str, str]]:
    """Each figure that a Markdown text states, as (number, unit); code and commands are none."""
    for fence in (r"^```.*?^```", r"`[^`\n]*`"):
        text = re.sub(fence, "", text, flags=re.M | re.S)
    for found in _STATED.finditer(text):
        yield found[1], found[2]


def unheld(text: str) -> list[str]:
    """The figures of a text that no file holds."""
    return [f"{number} {unit}" for number, unit in stated(text) if not _is_held(number, unit)]


def _is_held(number: str, unit: str) -> bool:
    plain = re.sub(r"[,\u202f](?=\d{3}(?!\d))", "", number).replace(",", ".")
    decimals = len(plain.partition(".")[2])
    kinds = [kind for kind in _UNITS if re.fullmatch(kind[0], unit)]
    return any(
        re.search(named, path, re.I) and round(value * scale, decimals) == float(plain)
        for path, value in _leaves("", held())
        for _, named, scales in kinds
        for scale in scales
    )


def _leaves(path: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(path, inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)
