"""Checks one CSAF 2.0 document against the schema and the tests of chapter 6. Offline; nothing is believed or matched here.

The ``csaf`` library holds the OASIS and FIRST schemas (under their own licences) and the tests. This file bounds what a
stranger's document can cost, and turns whatever the library says, or raises, into problems with a test's number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import msgspec

MAX_DOCUMENT = 32 << 20
"""Bytes; the largest that providers publish are some megabytes."""
MAX_DEPTH = 120
"""Nesting of JSON; product trees of real documents stay below 40."""
MAX_PROBLEMS = 200
COMPARED = ("flags", "ids", "involvements")
MAX_COMPARED = 1000
"""Of these no two may be equal, and every one is compared with every other."""

_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a test of the library may raise on a document that nobody thought of."""


class Problem(NamedTuple):
    """One broken rule."""

    test: str
    """``schema``, or the number of the test: ``6.1.8``; ``json`` when it is no JSON object at all."""
    where: str
    """JSON pointer."""
    text: str


class Checked(NamedTuple):
    """What the tests said of one document."""

    document: dict[str, Any] | None
    """The parsed JSON; None when it is no JSON object."""
    problems: tuple[Problem, ...]
    """Broken mandatory rules: the document is not valid CSAF 2.0."""
    remarks: tuple[Problem, ...] = ()
    """Optional and informative tests that it fails."""

    @property
    def valid(self) -> bool:
        """True when the schema and every mandatory test pass."""
        return not self.problems


def check(data: bytes, *, remarks: bool = False, only_parse: bool = False) -> Checked:
    """All mandatory tests (6.1); with ``remarks`` the optional (6.2) and informative ones (6.3) too. Never raises.

    ``only_parse``: no test at all, for a document that was checked before.
    """
    try:
        document = _parsed(data)
    except (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError) as error:
        return Checked(None, (Problem("json", "", _short(error)),))
    if only_parse:
        return Checked(document, ())
    try:
        report = _library()(document, preset="full" if remarks else "basic")
    except _FAILURES as error:
        return Checked(document, (Problem("schema", "", f"it cannot be checked: {type(error).__name__}: {_short(error)}"),))
    problems: list[Problem] = []
    noted: list[Problem] = []
    for result in report.results:
        if not result.passed and not result.skipped:
            into = problems if result.group in ("mandatory", "schema") else noted
            into += [Problem(result.id, e.instance_path, _short(e.message)) for e in result.errors]
    return Checked(document, tuple(problems[:MAX_PROBLEMS]), tuple(noted[:MAX_PROBLEMS]))


def _parsed(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_DOCUMENT:
        raise ValueError(f"it has {len(data):,} bytes, over {MAX_DOCUMENT:,}")
    document = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"))
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return document
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        for name in COMPARED:
            if isinstance(many := value.get(name), list) and len(many) > MAX_COMPARED:
                raise ValueError(f"it has {len(many):,} {name} in one place, over {MAX_COMPARED:,}")
        return list(value.values())
    return value if isinstance(value, list) else []


def _short(problem: object) -> str:
    text = str(problem)
    return text if len(text) <= 300 else text[:297] + "..."


@cache
def _library() -> Callable[..., Any]:
    """The library's checker. Importing it sets up the root logger, which is not its to set up: that is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    from csaf.csaf.v20 import validate  # noqa: PLC0415 - loaded when needed: 0.3 s and the schemas

    root.handlers[:] = handlers
    root.setLevel(level)
    checker: Callable[..., Any] = validate
    return checker
