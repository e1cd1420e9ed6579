"""What a file that is no archive seems to be, in words for the person who took it for a package. Pure; decides nothing."""

from __future__ import annotations

from fulldress.formats import encodings

HEAD = 4096
"""Bytes that :func:`said` looks at."""
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body")
_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "a program for Linux (ELF)"),
    (b"MZ", "a program for Windows"),
    (b"\xcf\xfa\xed\xfe", "a program for macOS"),
    (b"\xca\xfe\xba\xbe", "a Java class or a program for macOS"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PGDMP", "a dump of a PostgreSQL database"),
    (b"-----BEGIN PGP SIGNATURE", "a signature, not the package that it belongs to"),
    (b"-----BEGIN PGP PUBLIC KEY", "a public key"),
    (b"-----BEGIN PGP MESSAGE", "an encrypted message: decrypt it first"),
    (b"-----BEGIN CERTIFICATE", "a certificate"),
    (b"untrusted comment:", "a signature or a key, not the package that it belongs to"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file that it stands for"),
    (b"[InternetShortcut]", "a link to a web page"),
    (b"#!", "a script"),
)


def said(head: bytes) -> str:
    """A noun for the file that begins so, ``""`` when nothing is known of it."""
    head = head[:HEAD]
    if head[257:262] == b"ustar":
        return "a TAR whose first header does not fit its own checksum"
    if kind := next((what for magic, what in _KINDS if head.startswith(magic)), ""):
        return kind
    if head.lstrip()[:20].lower().startswith(_PAGES):
        return "a web page: perhaps the answer of the download site, not the file that was asked for"
    if head and not head.strip(b"\0"):
        return "a file of zeros"
    text = encodings.as_text(head)
    return "" if not text else "JSON text" if text.lstrip()[:1] in ("{", "[") else "a plain text"
