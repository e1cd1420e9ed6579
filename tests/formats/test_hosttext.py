"""Text from a host, fit to keep and to show."""

from __future__ import annotations

from fulldress.formats.hosttext import clean, printable


def test_control_and_direction_characters_are_escaped() -> None:
    assert printable("a\x1b[31m\u202eb\r\tc\n") == "a\\x1b[31m\\u202eb\\r\tc\n"


def test_the_end_is_kept() -> None:
    assert clean("x" * 50 + "end", limit=10) == "…" + "x" * 7 + "end"


def test_secrets_are_hidden_before_the_text_is_cut() -> None:
    assert clean("login failed: PASSWORD=hunter2 at db1\r\n") == "login failed: PASSWORD=<secret> at db1\n"
    assert clean("x PASSWORD=hunter2", limit=6) == "…ecret>"
