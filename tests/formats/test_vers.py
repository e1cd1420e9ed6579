"""Ranges of versions as advisories write them."""

from __future__ import annotations

import pytest

from fulldress.formats.vers import contains


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("vers:deb/>=1.2|<2.0", "1.9", "2.0"),
        ("vers:deb/>=1.2|<2.0", "1.2", "1.1"),
        ("vers:pypi/1.0|2.0", "2.0", "1.5"),
        ("vers:maven/<1.5|>=2.0|<2.7", "2.6", "1.7"),
        ("vers:npm/!=3.1", "3.0", "3.1"),
        ("vers:generic/<=5.0%2Bb1", "5.0", "6"),
        ("<4.2", "4.1.9", "4.2"),
        (">=2.0, <=2.5", "2.5", "2.6"),
        ("prior to 5.0", "4.9", "5.0"),
        ("All versions before 5.0", "4.9", "5.0"),
        ("4.1 and earlier", "4.1", "4.2"),
        ("4.1 and later", "4.2", "4.0"),
        ("from 2.0 to 3.0", "2.5", "3.1"),
        ("2.0 through 3.0", "3.0", "1.9"),
        ("V2.3", "2.3", "2.4"),
    ],
)
def test_a_range_holds_one_version_and_not_the_other(text: str, inside: str, outside: str) -> None:
    assert (contains(text, inside), contains(text, outside)) == (True, False)


@pytest.mark.parametrize("text", ["all versions", "*", "vers:deb/*"])
def test_everything_is_inside_of_all(text: str) -> None:
    assert contains(text, "0.0.1") is True


@pytest.mark.parametrize("text", ["see the table below", "", "vers:", "<", "FW since summer"])
def test_what_is_not_understood_is_no_answer(text: str) -> None:
    assert contains(text, "1.0") is None


def test_without_a_version_there_is_no_answer() -> None:
    assert contains("<2", "") is None
