"""The order of versions, against Debian's own and what vendors write."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import stand_aside

from fulldress.formats.version import compare, sort_key

IN_ORDER = [
    "4",
    "4.1~rc1",
    "4.1",
    "4.1.2",
    "4.2",
    "4.10",
    "5.0-alpha",
    "5.0-beta2",
    "5.0-rc1",
    "5.0",
    "5.0-1",
    "5.0-2",
    "5.0.1",
    "1:1.0",
]


def test_versions_in_order() -> None:
    assert sorted(set(IN_ORDER), key=sort_key) == IN_ORDER


@pytest.mark.parametrize(
    ("left", "right"), [("5", "5.0"), ("5.0.0", "5.0"), ("v4.2", "4.2"), ("4.02", "4.2"), ("", ""), ("5.0-rc1", "5.0rc1")]
)
def test_the_same_version_written_differently(left: str, right: str) -> None:
    assert compare(left, right) == 0


def test_ten_thousand_digits_are_compared_without_making_a_number() -> None:
    assert compare("1." + "9" * 10_000, "1.1" + "0" * 10_000) == -1


TEXT = st.text("0123456789.~+-:abrcvz ", max_size=12)


@given(TEXT, TEXT, TEXT)
def test_it_is_an_order(a: str, b: str, c: str) -> None:
    assert compare(a, b) == -compare(b, a)
    assert compare(a, a) == 0
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(
        *[st.from_regex(r"([0-9]:)?[1-9][0-9]?(\.[1-9][0-9]?){0,3}([+~][a-z]{1,2}[0-9])?(-[0-9]{1,2})?", fullmatch=True)] * 2
    )
)
def test_agrees_with_dpkg(pair: tuple[str, str]) -> None:
    if shutil.which("dpkg") is None:
        stand_aside("needs dpkg")
    less = subprocess.run(["dpkg", "--compare-versions", pair[0], "lt", pair[1]], check=False).returncode == 0
    assert (compare(*pair) < 0) == less
