"""The one sanitiser."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.report.columns import shown
from fulldress.report.sanitise import clipped, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        ("Grüße 日本", "Grüße 日本"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("a\u202eb", "a\\u202eb"),
        ("\u200b\ufeff\u2028", "\\u200b\\ufeff\\u2028"),
        ("\udcff", "\\udcff"),
        ("\x7f\x9b", "\\x7f\\x9b"),
    ],
)
def test_visible(text: str, seen: str) -> None:
    assert visible(text) == seen


@given(st.text(alphabet=st.characters()))
def test_nothing_invisible_is_left(text: str) -> None:
    assert all(unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in visible(text))
    assert "\n" not in visible(text)


def test_clipped() -> None:
    assert clipped("abcdef", 4) == "abc…"
    assert clipped("abc", 3) == "abc"
    assert len(clipped("\x1b" * 10, 7)) == 7


def test_tables_use_the_same() -> None:
    assert shown is visible
