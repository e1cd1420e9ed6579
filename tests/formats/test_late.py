"""Expressions that are compiled when they are first used."""

from __future__ import annotations

import re

import pytest

from fulldress.formats.late import late


def test_nothing_is_compiled_before_it_is_used() -> None:
    broken = late("(")
    assert broken.pattern == "("
    with pytest.raises(re.error):
        broken.search("x")


@pytest.mark.parametrize("flags", (0, re.IGNORECASE, re.DOTALL))
def test_it_answers_as_the_compiled_pattern_does(flags: int) -> None:
    text, made = "ab\nAC ad", re.compile(r"(?P<first>a)(.)", flags)
    given = late(made.pattern, flags)
    assert given.findall(text) == made.findall(text)
    assert [m.span() for m in given.finditer(text)] == [m.span() for m in made.finditer(text)]
    assert given.sub("x", text) == made.sub("x", text)
    assert given.split(text) == made.split(text)
    assert (given.fullmatch("ab") is None) == (made.fullmatch("ab") is None)
    assert given.search(text, 2) is not None and given.match(text) is not None
    assert (given.flags, given.groups, given.groupindex) == (made.flags, made.groups, made.groupindex)


def test_it_may_be_a_key_and_bytes_are_searched_too() -> None:
    given = late(rb"\d+")
    assert {given: 1}[given] == 1
    assert given.findall(b"1 22") == [b"1", b"22"]
