"""What a pattern describes is found wherever it stands: texts made from each rule's patterns, behind other lines.

The search engine is a stranger's and quick; ``re`` is slow and says what must be found.
"""

from __future__ import annotations

import random
import re
import re._constants as c  # type: ignore[import-not-found]
import re._parser as p  # type: ignore[import-not-found]
from typing import Any

import pytest

from fulldress.formats.patterns import Matcher, Pattern
from fulldress.scan.sweep import patterns_alone

TRIES = 25
PATTERNS = [pattern for pattern in patterns_alone() if "\\A" not in pattern.regex]
CLASSES = {
    c.CATEGORY_SPACE: b" \t",
    c.CATEGORY_DIGIT: b"0123456789",
    c.CATEGORY_WORD: b"abcXYZ019_",
    c.CATEGORY_NOT_SPACE: bytes(range(33, 127)),
    c.CATEGORY_NOT_WORD: b" .,;:-",
    c.CATEGORY_NOT_DIGIT: b"abc .",
}
PRINTABLE = bytes(range(32, 127))


def made(tree: Any, chance: random.Random) -> bytes:
    """A text that the parsed expression matches."""
    return b"".join(_part(kind, value, chance) for kind, value in tree)


def _part(kind: Any, value: Any, chance: random.Random) -> bytes:
    if kind is c.LITERAL:
        return bytes([value])
    if kind is c.NOT_LITERAL:
        return bytes([chance.choice([n for n in PRINTABLE if n != value])])
    if kind is c.ANY:
        return bytes([chance.choice(PRINTABLE)])
    if kind is c.IN:
        return bytes([chance.choice(sorted(_members(value)))])
    if kind is c.BRANCH:
        return made(chance.choice(value[1]), chance)
    if kind is c.SUBPATTERN:
        return made(value[3], chance)
    if kind in (c.MAX_REPEAT, c.MIN_REPEAT):
        low, high = int(value[0]), int(min(value[0] + 60, value[1]))
        return b"".join(made(value[2], chance) for _ in range(chance.choice([low, high, chance.randint(low, high)])))
    assert kind is c.AT, kind
    return b""


def _members(items: Any) -> set[int]:
    found: set[int] = set()
    for kind, value in items:
        if kind is c.LITERAL:
            found.add(value)
        elif kind is c.RANGE:
            found |= set(range(value[0], value[1] + 1))
        elif kind is c.CATEGORY:
            found |= set(CLASSES[value])
    return set(PRINTABLE) - found if items[0][0] is c.NEGATE else found


def _line(chance: random.Random) -> bytes:
    return bytes(chance.choice(b"abcdefgh ijk=:;{}\t_-./\"'01") for _ in range(chance.randrange(45)))


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.regex[:30])
def test_what_a_pattern_describes_is_found_behind_other_lines(pattern: Pattern) -> None:
    chance, matcher = random.Random(pattern.regex), Matcher((pattern,))
    expression, tree = re.compile(pattern.regex.encode(), re.M), p.parse(pattern.regex.encode(), re.M)
    for _ in range(TRIES):
        before = b"".join(_line(chance) + b"\n" for _ in range(chance.randrange(9)))
        text = before + made(tree, chance) + b"\n" + _line(chance)
        assert bool(matcher.search(text).ends) == (expression.search(text) is not None), text


def test_a_line_with_few_blanks_is_found_behind_many_lines() -> None:
    text = b"server {\n listen 443 ssl;\n server_name portal.test;\n ssl_protocols TLSv1;\n}\n"
    for regex in (r"^\s{0,20}ssl_protocols\s", r"^[ \t]{1,20}ssl_protocols\s", r"x|^\s{0,40}ssl_protocols\s"):
        assert Matcher((Pattern(regex),)).search(text).ends == {0: [67]}
