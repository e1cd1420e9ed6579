"""What is wrapped: base64, hex, gzip, URL-encoding and UTF-16, taken off layer by layer to a bounded depth. Pure."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from fulldress.formats.late import late

MAX_DEPTH = 3
MAX_UNPACKED = 256 << 10
MAX_DECODED = 2 << 20
"""Characters that are looked through for one text, all layers together."""
SHORTEST = 8
"""Shorter parts of something encoded are in every picture."""
_BASE64 = late(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = late(r"(?:[0-9a-fA-F]{2}){12,}")
_URL = late(r"[\w.~+-]{0,80}(?:%[0-9A-Fa-f]{2})[\w.~%+-]*")

_WORDS = (b"assword", b"ASSWORD", b"--BEGIN ")
_ADDRESSES = (b"postgresql://", b"mysql://", b"mongodb://", b"redis://", b"amqp://", b"sk_live_", b"glpat-", b"github_pat_")
_GZIP = b"\x1f\x8b\x08\x00"


def _base64_forms(part: bytes) -> Iterator[bytes]:
    """What is the same in the base64 of every text that holds this part: one form for each offset in threes."""
    for offset in range(3):
        coded = base64.b64encode(bytes(offset) + part)
        yield coded[(offset * 8 + 5) // 6 : (offset + len(part)) * 8 // 6]


def _hex_forms(part: bytes) -> Iterator[bytes]:
    yield part.hex().encode()
    if part.hex() != part.hex().upper():
        yield part.hex().upper().encode()


def _forms(part: bytes, depth: int) -> Iterator[bytes]:
    """The part as it looks under so many layers of base64 and hex, and under fewer."""
    for form in (*_base64_forms(part), *_hex_forms(part)):
        yield form
        if depth > 1:
            yield from _forms(form, depth - 1)


def _beginnings(part: bytes, depth: int) -> Iterator[bytes]:
    """The same for what stands at the beginning of something wrapped."""
    for form in (next(_base64_forms(part)), *_hex_forms(part)):
        yield form
        if depth > 1:
            yield from _beginnings(form, depth - 1)


def _any_of(forms: Iterable[bytes], behind: str = "", shortest: int = SHORTEST) -> str:
    words = sorted({form.decode() for form in forms if len(form) >= shortest})
    return f"(?:{'|'.join(re.escape(word) for word in words)}){behind}"


HINTS = (
    _any_of(form for word in _WORDS for form in _forms(word, 3)),
    _any_of(form for word in _ADDRESSES for form in _forms(word, 2)),
    _any_of(_beginnings(_GZIP, 3), "[A-Za-z0-9+/]{24}", 6),
    r"H4sI[A-Za-z0-9+/]{24}",
    r"cGFzc3dvcmQ|Bhc3N3b3Jk|wYXNzd29yZ|UEFTU1dPUk|BBU1NXT1JE|QQVNTV09SR|LS0tLS1CRUdJTi|c2VjcmV0|c3NocGFzcy|"
    r"UEdQQVNTV09SR|QXV0aG9yaXphdGlvb",
    r"70617373776[fF]7264|50415353574[fF]5244|2d2d2d2d2d424547494e",
    r"(?i)passw(or)?d(%3d|%3a|%22%3a)|%3a%2f%2f[\w.~+-]{1,80}%3a[\w.~%+-]{4,120}%40[a-z0-9]",
    r"cABhAHMAcwB3AG8AcgBk|AAYQBzAHMAdwBvAHIAZA|wAGEAcwBzAHcAbwByAGQ",
    r"(?i)base64\s{1,4}(-d|-D|--decode|-di)\b|(base64_decode|b64decode|atob|FromBase64String|Base64\.decode)\s?\(|\bb64dec\b",
    r"(?i)(\s-ec\s|\s-enc\s|\s-encodedcommand\s)\s{0,3}[A-Za-z0-9+/]{40}",
    r"[ \t]-[eE][ \t]\s{0,3}[A-Za-z0-9+/]{40}",
    r"\n-[eE][ \t]\s{0,3}[A-Za-z0-9+/]{40}",
    r"(?i)authorization['\"]?[\s:=,]{1,4}['\"]?basic\s{1,3}[A-Z0-9+/]{8}",
)
"""Where something wrapped may hold a secret, for the search of every byte: gzip's beginning, the words for passwords and
keys as base64 (at each of its three offsets, in UTF-16 too) and hex and both in each other, URL-encoded assignments and
addresses, programs that decode."""


class Budget:
    """How much may still be decoded; ``over`` once something was left as it is for that."""

    def __init__(self, size: int = MAX_DECODED) -> None:
        self.left = size
        self.over = False

    def take(self, size: int) -> bool:
        """True while there is room for so many bytes more."""
        self.over = self.over or size > self.left
        self.left -= size if size <= self.left else 0
        return not self.over


def unwrapped(text: str, depth: int = MAX_DEPTH, budget: Budget | None = None) -> Iterator[str]:
    """Every text that is wrapped in this one, the outermost first."""
    budget = budget or Budget()
    if depth == 0 or not budget.take(len(text)):
        return
    for inner in _inner(text):
        yield inner
        yield from unwrapped(inner, depth - 1, budget)


def _inner(text: str) -> Iterator[str]:
    for match in _BASE64.finditer(text):
        if (data := decoded(match[0])) and (found := readable(data)):
            yield found
    for match in _HEX.finditer(text):
        if found := readable(bytes.fromhex(match[0])):
            yield found
    for match in _URL.finditer(text):
        if (found := unquote(match[0])) != match[0]:
            yield found


def decoded(part: str) -> bytes:
    """Base64 of either alphabet; ``b""`` when it is none."""
    bare = part.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def readable(data: bytes) -> str:
    """The bytes as text: inflated when gzip or zlib, UTF-8 or UTF-16; ``""`` when it is no text."""
    if data[:2] in (b"\x1f\x8b", b"\x78\x9c", b"\x78\xda", b"\x78\x01"):
        try:
            data = zlib.decompressobj(47).decompress(data, MAX_UNPACKED)
        except zlib.error:
            return ""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(data) > 8 and data[1:16:2].strip(b"\0") == b""):
        text = data.decode("utf-16" if data[:1] in (b"\xff", b"\xfe") else "utf-16-le", "replace")
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return ""
    return text if len(text) >= 4 and all(c.isprintable() or c in "\r\n\t" for c in text) else ""
