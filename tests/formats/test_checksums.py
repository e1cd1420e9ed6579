"""Lists of SHA-256 sums in the forms that tools write."""

from __future__ import annotations

import pytest

from fulldress.formats.checksums import Listed, decoded, is_any_list, is_list, parse, parse_any, parse_json

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


def test_marks_escapes_and_openssls_form() -> None:
    assert decoded(b"\xef\xbb\xbfa") == decoded("a".encode("utf-16")) == decoded(b"\xfe\xff\0a") == "a"
    assert parse(f"\ufeff{A}  x\n") == {"x": A}
    assert parse(f"SHA2-256(a b)= {A}\nSHA256(c)= {B}\n") == {"a b": A, "c": B}
    assert parse(f"\\{A}  a\\\\b\\nc\n\\SHA256 (d\\\\e) = {B}\n") == {"a\\b\nc": A, "d\\e": B}
    assert parse(f"{A}  a\\\\b\n") == {"a\\\\b": A}


def test_a_sum_alone_is_about_the_file_that_the_list_is_called_after() -> None:
    assert parse(f"{A}\n", "x.iso.sha256") == {"x.iso": A}
    assert parse(f"{A}\n", "SHA256SUMS") == {}
    assert [x.algorithm for x in parse_any("a" * 128, "x.sha512")] == ["sha512"]


@pytest.mark.parametrize("name", ["SHA256", "SHA256.sig", "SHA512", "shasum.txt", "sha512sums.asc"])
def test_names_of_lists_of_any_sums(name: str) -> None:
    assert is_any_list(name)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"files": [{{"path": "./bin/a", "sha256": "{"a" * 64}"}}]}}',
        f'{{"files": {{"bin/a": {{"sha256": "{"A" * 64}", "size": 3}}}}}}',
        f'{{"bin/a": "sha256:{"a" * 64}"}}',
        f'[{{"name": "bin/a", "checksum": "{"a" * 64}"}}, {{"other": 1}}]',
    ],
)
def test_sums_in_json(text: str) -> None:
    assert parse_json(text) == [Listed("sha256", "a" * 64, "bin/a")]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sha256": "x"}', f'{{"commit": "{"a" * 40}"}}', "[" * 5000])
def test_json_without_sums(text: str) -> None:
    assert parse_json(text) == []


def test_lines_that_end_by_nul_and_line_ends_of_unicode_that_end_none() -> None:
    assert parse(f"{'ab' * 32}  a\0{'cd' * 32}  b c\0") == {"a": "ab" * 32, "b c": "cd" * 32}
    assert parse(f"{'ab' * 32}  a\u2028b\n") == {"a\u2028b": "ab" * 32}


def test_bytes_of_a_name_that_are_no_utf8_are_written_as_in_names_of_a_package() -> None:
    assert parse(decoded(b"ab" * 32 + b"  lat\xefin.sh\n")) == {"lat\\xefin.sh": "ab" * 32}


def test_a_program_of_that_name_is_no_list() -> None:
    line = f"{'a' * 64}  x"
    assert parse_any(f"\x7fELF\0\0{line}\0", "sha256sum") == []
    assert parse_any(f"{line}\0", "sha256sum") != []
