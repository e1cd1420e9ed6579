"""Lists of SHA-256 sums in the forms that tools write."""

from __future__ import annotations

import pytest

from fulldress.formats.checksums import is_list, parse

A, B = "a" * 64, "b" * 64


def test_both_forms_and_what_is_neither() -> None:
    text = f"# comment\n{A}  x/one\n{B.upper()} *./two three\r\nSHA256 (x (1).bin) = {A}\nMD5 (y) = {'c' * 32}\n{A} four\n"
    assert parse(text) == {"x/one": A, "two three": B, "x (1).bin": A}


def test_a_path_listed_twice_with_two_sums_matches_nothing() -> None:
    assert parse(f"{A}  x\n{B}  ./x\n") == {"x": ""}
    assert parse(f"{A}  x\n{A}  x\n") == {"x": A}


@pytest.mark.parametrize("name", ["SHA256SUMS", "sha256sum.txt", "SHA256SUMS.asc", "checksums.txt", "x.zip.sha256"])
def test_names_of_lists(name: str) -> None:
    assert is_list(name)


@pytest.mark.parametrize("name", ["README.txt", "sha256.c", "md5sums", "sums"])
def test_names_of_other_things(name: str) -> None:
    assert not is_list(name)
