"""Whether a record is what Gradescope reads: its rules as a JSON schema, in data/results.schema.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import jsonschema
import msgspec

if TYPE_CHECKING:
    from autograder.results import Results

__all__ = ["problems"]

SCHEMA = json.loads((Path(__file__).parent / "data" / "results.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def problems(record: bytes | Results) -> list[str]:
    """List what is wrong with a record, or with the bytes of a results.json."""
    data = record if isinstance(record, bytes) else msgspec.json.encode(record)
    try:
        value = json.loads(data, parse_constant=refuse)
    except ValueError as error:
        return [f"no JSON: {error}"]
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(value)]


def refuse(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and nobody else does."""
    raise ValueError(name)
