"""A plan as the TOML that people edit: one table a step, long texts as blocks, a comment where a step needs one.

Pure; reading TOML is the codec's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fulldress.formats.tomltext import toml_key, toml_string, toml_value
from fulldress.model.plan import Plan, Step

HEAD = """\
# The plan: what runs on the host, in this order. Edit it, then lock it again: fulldress plan
# `fulldress plan --redraft` writes it anew and loses the edits. Kinds and their parameters: docs, or steps/ in the source.
"""


def plan_toml(plan: Plan, notes: Mapping[str, str]) -> str:
    """The whole file."""
    lines = [HEAD, f"schema-version = {plan.schema_version}", f"release = {toml_string(plan.release)}"]
    lines.append(f"host = {toml_string(plan.host)}")
    for step in plan.step:
        lines.append("")
        if notes.get(step.id):
            lines.append("# " + re.sub(r"[^\S ]+|[\x00-\x1f\x7f]", " ", notes[step.id]))
        lines += _step(step)
    return "\n".join(lines) + "\n"


def _step(step: Step) -> list[str]:
    plain = msgspec.to_builtins(step)
    params = plain.pop("params", {})
    lines = ["[[step]]", *(f"{key} = {_value(value)}" for key, value in plain.items())]
    if params:
        lines.append("[step.params]")
        lines += [f"{toml_key(key)} = {_value(value, block=True)}" for key, value in params.items()]
    return lines


def _value(value: Any, *, block: bool = False) -> str:
    if isinstance(value, str):
        return _block(value) if block and "\n" in value else toml_string(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(str(k))} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        items = [_value(v) for v in value]
        return "[" + ", ".join(items) + "]" if sum(map(len, items)) < 90 else "[\n  " + ",\n  ".join(items) + ",\n]"
    return toml_value(value)


def _block(text: str) -> str:
    if "'''" in text or text.endswith("'") or re.search(r"[^\n\t\x20-\x7e\x80-\ud7ff\ue000-\U0010ffff]|\x7f", text):
        return toml_string(text)
    return f"'''\n{text}'''"
