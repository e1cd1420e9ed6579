"""Every pattern has letters to go by: one that has fewer than three in a row makes the search of every byte slower.

The engine looks for one literal of each pattern, two bytes further at each step as long as none is shorter than three. A
single pattern with a shorter one costs half as much as all others together.
"""

from __future__ import annotations

import re._constants as c  # type: ignore[import-not-found]
import re._parser as p  # type: ignore[import-not-found]
from typing import Any

import pytest

from fulldress.formats.patterns import Pattern
from fulldress.scan.sweep import patterns_alone

LEAST = 3
MOST, MEMBERS = 256, 5
"""Literals of one pattern, and members of a class that are tried one by one."""
Literals = frozenset[str]
NOTHING = frozenset(("",))


def literal(tree: Any) -> int:
    """The length of the longest literals of which one is in all that the parsed expression matches."""
    best, run, since = 0, NOTHING, list[Any]()
    for kind, value in tree:
        here = _literals(kind, value)
        longer = frozenset(a + b for a in run for b in here) if here is not None and len(run) * len(here) <= MOST else None
        since.append((kind, value))
        if longer is not None:
            run = longer
            continue
        best = max(best, _shortest(run), _within(kind, value, since[:-1]))
        run, since = here if here is not None else NOTHING, since[-1:] if here is not None else []
    return max(best, _shortest(run))


def _shortest(run: Literals) -> int:
    return min(map(len, run))


def _within(kind: Any, value: Any, before: list[Any]) -> int:
    """The same of a part, with what stands right before it."""
    if kind is c.SUBPATTERN:
        return literal([*before, *value[3]])
    if kind is c.BRANCH:
        return min(literal([*before, *branch]) for branch in value[1])
    return literal(value[2]) if kind in (c.MAX_REPEAT, c.MIN_REPEAT) and value[0] else 0


def _literals(kind: Any, value: Any) -> Literals | None:
    """All that a part of an expression matches, in lower case, when that is little."""
    if kind is c.LITERAL:
        return frozenset((chr(value).lower(),))
    if kind is c.AT:
        return NOTHING
    if kind is c.IN and all(k in (c.LITERAL, c.RANGE) for k, _ in value):
        bounds = [v if k is c.RANGE else (v, v) for k, v in value]
        found = frozenset(chr(n).lower() for low, high in bounds for n in range(low, high + 1))
        return found if len(found) <= MEMBERS else None
    if kind is c.SUBPATTERN:
        return _whole(value[3])
    if kind is c.BRANCH:
        branches = [_whole(branch) for branch in value[1]]
        return frozenset[str]().union(*(b for b in branches if b is not None)) if None not in branches else None
    return None


def _whole(tree: Any) -> Literals | None:
    found: Literals = NOTHING
    for kind, value in tree:
        here = _literals(kind, value)
        if here is None or len(found) * len(here) > MOST:
            return None
        found = frozenset(a + b for a in found for b in here)
    return found


@pytest.mark.parametrize("pattern", [p for p in patterns_alone() if "\\A" not in p.regex], ids=lambda p: p.regex[:60])
def test_a_pattern_has_three_letters_to_go_by(pattern: Pattern) -> None:
    assert literal(p.parse(pattern.regex)) >= LEAST


@pytest.mark.parametrize(
    "regex", [r"\s-e\s{1,4}[A-Z]{40}", r"SK[a-f0-9]{32}", r"['\"]\s*(rm\s{1,4}-r|chmod)", r"\$\w{1,40}/\*"]
)
def test_fewer_are_noticed(regex: str) -> None:
    assert literal(p.parse(regex)) < LEAST
