"""Texts of wide characters (UTF-16, UTF-32), with or without a mark: told from binaries, and brought into UTF-8. Pure."""

from __future__ import annotations

import codecs

HEAD = 8192
"""Bytes from which the encoding is judged."""
MAX_WIDE = 64 << 20
"""Larger objects are taken as they are: nobody writes a text of that size in wide characters."""
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEAST = 8
"""Characters from which a text without a mark can be told from chance."""


def is_narrow(head: bytes) -> bool:
    """True when nothing says that it is binary or made of wide characters: no NUL, no mark."""
    return b"\0" not in head[:HEAD] and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def encoding_of(head: bytes) -> str:
    """``utf-16``, ``utf-16-le``, ``utf-32-be`` ... of a text of wide characters; ``""`` for anything else."""
    head = head[:HEAD]
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name if _is_text(head, name) else ""
    head = head[: len(head) // 4 * 4]
    if head.count(0) < 0.45 * len(head):  # as in nearly all that is binary: too few zeros for what follows
        return ""
    for name, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        zeros, letters = head[at::2], head[1 - at :: 2]
        # Nearly every other byte is zero, nearly none of the others, and what remains reads as text.
        few = len(zeros) >= _LEAST and zeros.count(0) >= 0.9 * len(zeros) and letters.count(0) == 0
        if few and _is_text(head, name):
            return name
    for name, at in (("utf-32-le", 0), ("utf-32-be", 3)):
        letters = head[at::4]
        few = len(letters) >= _LEAST and letters.count(0) == 0 and head.count(0) == 3 * len(letters)
        if few and _is_text(head, name):
            return name
    return ""


def _is_text(head: bytes, name: str) -> bool:
    text = head[: len(head) // 4 * 4].decode(name, "ignore")
    odd = sum(not (c.isprintable() or c in "\r\n\t\f\ufeff") for c in text)
    return bool(text) and odd <= len(text) // 50


def as_utf8(data: bytes, encoding: str) -> bytes:
    """The same text in UTF-8; what cannot be decoded becomes U+FFFD."""
    return data.decode(encoding, "replace").encode("utf-8", "replace") if len(data) <= MAX_WIDE else data


def as_text(data: bytes) -> str | None:
    """The text that the bytes are, or None for binaries. Bytes that are no UTF-8 are kept as lone surrogates."""
    head = data[:HEAD]
    if is_narrow(head):
        return data.decode("utf-8", "surrogateescape")
    encoding = encoding_of(head)
    return data.decode(encoding, "replace") if encoding and len(data) <= MAX_WIDE else None
