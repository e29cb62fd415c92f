"""The checkout that is tested, and its template."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from awscli.customizations.cloudformation.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[1]


def template() -> dict[str, Any]:
    return dict(yaml_parse((ROOT / "template.yaml").read_text()))


def of_type(kind: str) -> dict[str, Any]:
    """The template's resources of a kind, by their logical ids."""
    found = template()["Resources"].items()
    return {name: resource for name, resource in found if resource["Type"] == kind}
