"""Names and links as an unpacker would meet them, without a disk."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulldress.errors import PackageRefused
from fulldress.formats.members import Member, checked, safe_name, shown


@pytest.mark.parametrize(
    ("raw", "clean"), [("./a/b", "a/b"), ("a//b/", "a/b"), ("./", ""), ("a/./b", "a/b"), ("...", "..."), ("ä b", "ä b")]
)
def test_clean_names(raw: str, clean: str) -> None:
    assert safe_name(raw) == clean


@given(st.text(max_size=40))
def test_a_name_that_passes_stays_inside(raw: str) -> None:
    try:
        clean = safe_name(raw)
    except PackageRefused as error:
        assert error.slug == "path-traversal"
        assert error.what.isprintable()
        return
    assert not clean.startswith("/")
    assert ".." not in clean.split("/")
    assert safe_name(clean) == clean == safe_name(clean, posix=True)


def test_absolute_links_are_normal_only_under_a_machines_root() -> None:
    link = Member(name="usr/bin/x", kind="symlink", link="/opt/x")
    assert [m.name for m in checked([link], system_root=True)] == ["usr/bin/x"]
    with pytest.raises(PackageRefused, match="points outside"):
        list(checked([link]))


def test_a_link_through_an_absolute_link_is_followed_from_the_root() -> None:
    links = [Member(name="a/b", kind="symlink", link="/c"), Member(name="d", kind="symlink", link="a/b/../../x")]
    with pytest.raises(PackageRefused, match="leaves the archive"):
        list(checked(links, system_root=True))


def test_a_hard_link_names_an_earlier_file() -> None:
    file, link = Member(name="f", kind="file"), Member(name="h", kind="hardlink", link="./f")
    assert len(list(checked([file, link]))) == 2
    with pytest.raises(PackageRefused, match="names no earlier file"):
        list(checked([link, file]))


def test_what_is_shown_is_printable_and_short() -> None:
    assert shown("a\x1b[2J\u202eb") == "a\\u001b[2J\\u202eb"
    assert len(shown("x" * 999)) == 120
    assert len(shown("x" * 999, 600)) == 600
