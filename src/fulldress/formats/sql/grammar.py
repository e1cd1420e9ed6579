"""PostgreSQL's grammar (libpg_query) behind one door that hostile text cannot break down. Pure.

The library recurses over left-deep expressions without a limit of its own: a long enough ``a+a+a...`` ends the process.
Such text is refused before it gets there.
"""

from __future__ import annotations

import re
from typing import Any

import postgast
from google.protobuf.message import DecodeError

from fulldress.formats.late import late

MAX_LINKS = 10_000
"""Operators and set operations in one statement; the library still stands twice as many."""

_STRING = late(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)
_LINK = late(
    r"[-+*/<>=~!@#%^&|?]+|::|\[|\b(?:union|intersect|except|join|collate|zone|is|isnull|notnull|not|like|ilike|in|between)\b",
    re.IGNORECASE,
)
_BLOCK = late(r"\b(?:if|loop|begin|case)\b", re.IGNORECASE)


class Unreadable(ValueError):
    """The grammar refuses the text, or it is nested too deeply to be looked at."""


def parse(text: str) -> Any:
    """The statements of an SQL text (``.stmts``). Raises Unreadable."""
    for piece in _STRING.sub("''", text).split(";") if len(text) > MAX_LINKS else ():
        if len(piece) > MAX_LINKS and sum(1 for _ in _LINK.finditer(piece)) > MAX_LINKS:
            raise Unreadable("nested too deeply")
    try:
        return postgast.parse(text)
    except (postgast.PgQueryError, DecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def plpgsql(text: str) -> Any:
    """The tree of a DO block's body. Raises Unreadable."""
    most = MAX_LINKS // 10
    if len(text) > most and sum(1 for _ in _BLOCK.finditer(text)) > most:
        raise Unreadable("nested too deeply")
    try:
        return postgast.parse_plpgsql(text)
    except (postgast.PgQueryError, ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error
