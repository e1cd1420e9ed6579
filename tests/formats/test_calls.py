"""The arguments of a call, without a parser of its language."""

from __future__ import annotations

import pytest

from fulldress.formats.calls import split


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("url, 'app', 'x');", ["url", " 'app'", " 'x'"]),
        ("user(1, 2), [3, 4], {a, b}) more", ["user(1, 2)", " [3, 4]", " {a, b}"]),
        (r"'it\'s, one', `b)`)", [r"'it\'s, one'", " `b)`"]),
        (")", [""]),
        ("never, closed", []),
        ("'never quoted to its end)", []),
    ],
)
def test_commas_of_this_call_only(text: str, arguments: list[str]) -> None:
    assert split(text) == arguments
