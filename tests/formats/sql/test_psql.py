"""The parts of a psql script that are not SQL are blanked out in place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fulldress.formats.sql.psql import plain

PIECES = [
    "--",
    "/*",
    "*/",
    "'",
    '"',
    "$$",
    "\\set a 1",
    "\\gexec",
    "\n",
    ":x",
    ":'v'",
    "::",
    "(",
    ")",
    ";",
    "e'",
    "copy t from stdin;",
    "\\.",
]


def test_commands_variables_and_data_are_blank() -> None:
    text = "\\set a 1\nSELECT :abc, ':b', x::int;\ncopy t from stdin;\n1\t2\n\\.\nSELECT 1\\gexec\n"
    found = plain(text)
    assert found.sql == "        \nSELECT _abc, ':b', x::int;\ncopy t from stdin;\n   \n  \nSELECT 1;     \n"
    assert [(meta.name, meta.line) for meta in found.metas] == [("set", 1), ("gexec", 6)]


def test_what_stands_in_quotes_and_comments_is_no_command() -> None:
    text = "SELECT e'\\'\\x', '\\y', $a$\\z;$a$; -- \\w\n/* \\v /* ; */ */ SELECT 2;"
    found = plain(text)
    assert found.sql == text
    assert found.cuts == (text.index("$;") + 1, len(text) - 1)


@given(st.lists(st.sampled_from(PIECES), max_size=20))
def test_every_offset_and_line_still_holds(pieces: list[str]) -> None:
    text = " ".join(pieces)
    found = plain(text)
    assert len(found.sql) == len(text)
    assert [n for n, c in enumerate(found.sql) if c == "\n"] == [n for n, c in enumerate(text) if c == "\n"]
