"""Values of options: read as TOML or JSON writes them."""

from __future__ import annotations

import json
import tomllib
from datetime import date, time
from typing import Any


class _NotGiven:
    """The value of an option that is not given; None is a value too."""


NOT_GIVEN = _NotGiven()


def read_value(text: str | _NotGiven) -> object:
    """Read a value of TOML or JSON; anything else is a text, and none is None."""
    if isinstance(text, _NotGiven):
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = _read_json(text)
    return none_as_none(text if isinstance(value, date | time) else value)


def _read_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def none_as_none(value: object) -> object:
    """Return None for "none", since TOML has no word for it."""
    return None if isinstance(value, str) and value == "none" else value


def write_value(value: object) -> str:
    """Return a value as the command line takes it."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, default=str)


# The arguments of an option whose value is read so.
AS_VALUE: dict[str, Any] = {
    "type": read_value, "default": NOT_GIVEN, "show_default": False,
}  # fmt: skip
