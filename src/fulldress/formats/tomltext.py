"""Plain data written as TOML that reads back as the same data: what the program writes for people to edit. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fulldress.formats.late import late

_BARE = late(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}


def dumps(data: Mapping[str, Any]) -> str:
    """A table of strings, numbers, booleans, lists and tables; None is left out. Raises TypeError for anything else."""
    return "".join(_table(data, ()))


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    plain = {k: v for k, v in data.items() if not _is_table(v) and not _is_tables(v) and v is not None}
    lines = [f"{toml_key(k)} = {toml_value(v)}\n" for k, v in plain.items()]
    for key, value in data.items():
        inner = (*path, key)
        name = ".".join(toml_key(p) for p in inner)
        if _is_table(value):
            lines += [f"\n[{name}]\n", *_table(value, inner)]
        elif _is_tables(value):
            for item in value:
                lines += [f"\n[[{name}]]\n", *_table(item, inner)]
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(v, Mapping) for v in value)


def toml_key(key: str) -> str:
    """A key, quoted where it must be."""
    return key if _BARE.fullmatch(key) else toml_string(key)


def toml_string(text: str) -> str:
    """A string on one line, in double quotes."""
    return '"' + "".join(_ESCAPES.get(c, c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}") for c in text) + '"'


def toml_value(value: object) -> str:
    """A value on one line. Raises TypeError for what TOML does not have."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(v) for v in value if v is not None) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items() if v is not None) + " }"
    raise TypeError(f"TOML has no {type(value).__name__}")
