"""Declared bodies of the load's writing requests, with placeholders. Pure: no I/O.

``{{name}}`` is left as it is: it becomes what the session took from an earlier answer, when the request is due.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Mapping

from fulldress.errors import UsageError

_PLACE = re.compile(r"\{\{[^{}]*\}\}|\{([^{}]*)\}")


def fill(value: object, draw: random.Random, sequence: int) -> object:
    """A declared body with its placeholders filled, in strings at any depth.

    ``{seq}`` running number · ``{uuid}`` · ``{int:LOW:HIGH}`` · ``{choice:a|b|c}``. A string that is nothing but ``{seq}``
    or ``{int:…}`` becomes a number.
    """
    if isinstance(value, Mapping):
        return {str(key): fill(item, draw, sequence) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, draw, sequence) for item in value]
    return _fill_text(value, draw, sequence) if isinstance(value, str) else value


def _fill_text(text: str, draw: random.Random, sequence: int) -> object:
    whole = _PLACE.fullmatch(text)
    if whole and whole[1] is not None:
        return _placeholder(whole[1], draw, sequence)
    return _PLACE.sub(lambda found: found[0] if found[1] is None else str(_placeholder(found[1], draw, sequence)), text)


def _placeholder(name: str, draw: random.Random, sequence: int) -> object:
    kind, _, rest = name.partition(":")
    if kind == "seq":
        return sequence
    if kind == "uuid":
        return str(uuid.UUID(int=draw.getrandbits(128), version=4))
    if kind == "choice" and rest:
        return draw.choice(rest.split("|"))
    low, _, high = rest.partition(":")
    if kind == "int" and _whole(low) and _whole(high) and int(low) <= int(high):
        return draw.randint(int(low), int(high))
    raise UsageError(
        f"unknown placeholder {{{name}}} in a declared body",
        fix="use {seq}, {uuid}, {int:1:9} or {choice:a|b}; {{name}} for what an answer gave",
    )


def _whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()
