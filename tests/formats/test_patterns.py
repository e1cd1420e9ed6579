"""Patterns over bytes of any size and any width of character."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulldress.formats import patterns as module
from fulldress.formats.encodings import as_text, encoding_of
from fulldress.formats.patterns import Matcher, Pattern

TEXT = "[server]\r\npassword = hunter2\nurl = http://a.example/x\n" * 3


def test_compiled_patterns_are_loaded_again() -> None:
    wanted = [Pattern("pass"), Pattern("(?i)URL", once=True)]
    again = Matcher(wanted, Matcher(wanted).dump())
    assert again.search(TEXT.encode()) == Matcher(wanted).search(TEXT.encode())
    assert again.search(TEXT.encode()).ends[1] == [len("[server]\r\npassword = hunter2\nurl")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_texts_of_wide_characters_are_texts(encoding: str) -> None:
    data = TEXT.encode(encoding)
    assert encoding_of(data) == encoding
    seen = Matcher([Pattern("hunter2")]).look(data)
    assert (seen.binary, len(seen.found.ends[0])) == (False, 3)
    assert as_text(data) == TEXT


BINARIES = (
    b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0\x3e\0" * 40,
    bytes(100),
    bytes(range(256)) * 4,
    b"\xff\xfe" + bytes(range(1, 250)),
    b"a\0\0\0\0\0\0\0" * 50,
    b"\x01\0\x02\0\x03\0" * 50,
)


@pytest.mark.parametrize("data", BINARIES)
def test_binaries_are_no_texts(data: bytes) -> None:
    assert encoding_of(data) == ""
    assert as_text(data) is None
    assert Matcher([Pattern("x")]).look(data).binary


def test_bytes_that_are_no_utf8_are_kept() -> None:
    assert as_text(b"caf\xe9\n") == "caf\udce9\n"


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.sampled_from(["key=1\n", "x", "\n", "#!sh", "long" * 30, "end"]), min_size=1, max_size=80))
def test_pieces_give_what_the_whole_gives(words: list[str]) -> None:
    wanted = [Pattern("key=[0-9]"), Pattern(r"\A#!sh", once=True), Pattern("ngl"), Pattern("end", once=True)]
    data = "".join(words).encode()
    matcher, before = Matcher(wanted), module.OVERLAP
    module.OVERLAP = 64
    try:
        found = matcher.search_pieces(data[at : at + 100] for at in range(0, len(data), 100))
    finally:
        module.OVERLAP = before
    assert found.ends == matcher.search(data).ends


def test_what_is_beyond_the_limit_is_counted() -> None:
    found = Matcher([Pattern("a")]).search(b"a" * (module.MAX_HITS + 7))
    assert (len(found.ends[0]), found.dropped) == (module.MAX_HITS, {0: 7})
