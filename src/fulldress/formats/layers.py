"""What is wrapped: base64, hex, gzip, URL-encoding and UTF-16, taken off layer by layer to a bounded depth. Pure."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator
from urllib.parse import unquote

from fulldress.formats.late import late

MAX_DEPTH = 3
MAX_UNPACKED = 256 << 10
_BASE64 = late(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_HEX = late(r"(?:[0-9a-fA-F]{2}){12,}")
_URL = late(r"[\w.~+-]{0,80}(?:%[0-9A-Fa-f]{2})[\w.~%+-]*")

HINTS = (
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
keys as base64 (at each of its three offsets, in UTF-16 too) and hex, URL-encoded assignments and addresses, programs
that decode."""


def unwrapped(text: str, depth: int = MAX_DEPTH) -> Iterator[str]:
    """Every text that is wrapped in this one, the outermost first."""
    if depth == 0:
        return
    for inner in _inner(text):
        yield inner
        yield from unwrapped(inner, depth - 1)


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
