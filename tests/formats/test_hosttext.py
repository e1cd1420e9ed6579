"""Text from a host, fit to keep and to show."""

from __future__ import annotations

import pytest

from fulldress.formats.hosttext import clean, printable, redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer <secret>"),
        ("curl -H 'Authorization: Bearer abc' x", "curl -H 'Authorization: Bearer <secret>' x"),
        ("PASSWORD=hunter2 ok", "PASSWORD=<secret> ok"),
        ('{"api_key": "abc", "x": 1}', '{"api_key": "<secret>", "x": 1}'),
        ("postgres://me:pw@host/db", "postgres://me:<secret>@host/db"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nrest", "<secret>\nrest"),
        ("nothing to hide: 42", "nothing to hide: 42"),
    ],
)
def test_secrets_are_replaced(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_control_and_direction_characters_are_escaped() -> None:
    assert printable("a\x1b[31m\u202eb\r\tc\n") == "a\\x1b[31m\\u202eb\\r\tc\n"


def test_the_end_is_kept() -> None:
    assert clean("x" * 50 + "end", limit=10) == "…" + "x" * 7 + "end"
