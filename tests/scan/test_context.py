"""What rules are told: lines of texts of any size and encoding, numbered right, out of bounded memory."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fulldress.formats.patterns import Pattern
from fulldress.model.package import Entry, PackageLock
from fulldress.scan import rule as module
from fulldress.scan.rule import Context, Line, Recent

KEY, END = Pattern("key[0-9]"), Pattern("end$")


def context(**files: bytes) -> Context:
    blobs = {hashlib.sha256(data).hexdigest(): data for data in files.values()}
    entries = tuple(
        Entry(place=name, kind="file", size=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in files.items()
    )
    lock = PackageLock(name="p", sha256="0" * 64, size=1, format="zip", entries=entries, bytes_inspected=1)
    return Context(lock, blobs.__getitem__)


def simple(lines: list[Line]) -> list[tuple[int, str, frozenset[Pattern]]]:
    return [(line.number, line.text, line.patterns) for line in lines]


@settings(max_examples=150, deadline=None)
@given(words=st.lists(st.sampled_from(["key1", "\n", "\n\n", "x" * 30, " end", "é"]), max_size=60))
def test_lines_of_large_texts_are_those_of_small_ones(words: list[str]) -> None:
    data = "".join(words).encode()
    small = simple(list(context(a=data).lines(KEY, END)))
    before, module.MAX_WHOLE = module.MAX_WHOLE, 0
    try:
        assert simple(list(context(a=data).lines(KEY, END))) == small
    finally:
        module.MAX_WHOLE = before
    lines = data.decode().split("\n")
    assert [n for n, _, _ in small] == [n for n, text in enumerate(lines, 1) if "key1" in text or text.endswith("end")]


def test_the_same_object_at_two_places_is_found_at_both() -> None:
    assert [line.entry.place for line in context(b=b"key1\n", a=b"key1\n").lines(KEY)] == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_lines_of_wide_texts_have_their_numbers(encoding: str) -> None:
    given_ = context(a="one\r\ntwo key2 é\nthree\n".encode(encoding))
    assert [(line.number, line.text) for line in given_.lines(KEY)] == [(2, "two key2 é")]
    assert not given_.is_binary(given_.files[0])
    hit = next(given_.hits(KEY))
    assert given_.around(hit, before=4, after=0) == b"key2"
    assert (given_.text(given_.files[0]) or "").lstrip("\ufeff") == "one\r\ntwo key2 é\nthree\n"


def test_binaries_have_hits_but_no_lines() -> None:
    given_ = context(a=b"\0\1\2key7\n")
    assert [hit.end for hit in given_.hits(KEY)] == [7]
    assert list(given_.lines(KEY)) == []


def test_memory_is_bounded() -> None:
    kept: Recent[str] = Recent(10)
    for name, size in (("a", 4), ("b", 4), ("c", 4), ("d", 99)):
        kept.put(name, name * 2, size)
        assert kept.get(name) == name * 2
    assert [name for name in "abcd" if name in kept] == ["d"]
