"""Assignments, words with their variables filled in, pardoned failures."""

from __future__ import annotations

import pytest

from fulldress.formats import shellflow


def test_assignments_in_order() -> None:
    text = "A=1\nexport B=\"x $A\"\nif true; then local C='z'; fi\nD=$(date) cmd\n"
    assert [(a.name, a.value, a.line) for a in shellflow.assignments(text)] == [
        ("A", "1", 1),
        ("B", "x $A", 2),
        ("C", "z", 3),
        ("D", "$(date)", 4),
    ]


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("$A/b", "x/b"),
        ("${A}y", "xy"),
        ("${N:-dflt}", "dflt"),
        ("${A:-dflt}", "x"),
        ("$N", "$N"),
        ("$LOOP", "$LOOP"),
        ('$(dirname "$0")/y', "/opt/y"),
        ('$(cd "$(dirname "$0")/.." && pwd)/y', "//y"),
        ("${0%/*}/y", "/opt/y"),
    ],
)
def test_expand(word: str, expanded: str) -> None:
    assert shellflow.expand(word, {"A": "x", "LOOP": "$LOOP"}, "/opt") == expanded


def test_forgiven() -> None:
    text = "a || true\nb || exit 1\nif c || :; then d; fi\ne && f || echo no\n"
    data = text.encode()
    assert [(data[at : at + 1].decode(), what) for at, what in shellflow.forgiven(text)] == [
        ("a", "true"),
        ("c", ":"),
        ("e", "echo no"),
    ]
