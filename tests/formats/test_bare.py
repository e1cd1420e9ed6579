"""What a file that is no archive seems to be."""

from __future__ import annotations

import pytest

from fulldress.formats.bare import said


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"this is a letter\n", "a plain text"),
        ("a letter from Windows, in wide characters\n".encode("utf-16"), "a plain text"),
        (b'{"a": 1}', "JSON text"),
        (b"  <!DOCTYPE html><html>", "a web page"),
        (b"\x7fELF\2\1\1", "a program for Linux"),
        (b"-----BEGIN PGP SIGNATURE-----\n", "a signature, not the package"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (bytes(900), "a file of zeros"),
        (b"x" * 257 + b"ustar" + bytes(300), "does not fit its own checksum"),
        (b"\x8f\0\x91\xfe\0\x01", ""),
        (b"", ""),
    ],
)
def test_a_noun_for_every_kind(head: bytes, word: str) -> None:
    assert word in said(head)
    assert bool(word) == bool(said(head))
