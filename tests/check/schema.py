"""What machine-readable reports are valid against."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import xmlschema

JUNIT = Path(__file__).parent / "junit-10.xsd"
"""The schema of Jenkins' xUnit plugin (MIT licence), as pytest's source distribution has it."""


def junit_schema() -> xmlschema.XMLSchema:
    """The schema that JUnit reports are checked by."""
    return xmlschema.XMLSchema(str(JUNIT))


def validated(report: dict[str, Any]) -> dict[str, Any]:
    """Check a JSON report against the schema of `check`, and give it back."""
    schema = json.loads((files("softmax_tool.schemas") / "check.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(report)
    return report
