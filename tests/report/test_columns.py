"""Columns stay columns, whatever strangers put into them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fulldress.report.columns import columns, shown


def test_columns_are_aligned_and_long_cells_wrapped() -> None:
    assert columns(("a", "b"), [("x", "one two three"), ("longer", "")], widest=8).splitlines() == [
        "a       b",
        "──────  ───────",
        "x       one two",
        "        three",
        "longer",
    ]


def test_control_and_bidi_characters_are_escaped() -> None:
    assert shown("a\x1b[31m\u202eb\nc") == "a\\x1b[31m\\u202eb\\nc"


@given(st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_nothing_of_a_cell_reaches_the_terminal_raw(rows: list[tuple[str, str]]) -> None:
    assert all(c == "\n" or c.isprintable() or c.isspace() for c in columns(("a", "b"), rows) if ord(c) < 0x80)
