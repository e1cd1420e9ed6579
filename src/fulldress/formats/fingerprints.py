"""Fingerprints of keys as people write them (in blocks of four, with colons, in capitals): alone, and in prose. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from fulldress.formats.late import late

Tone = Literal["warns", "announces", "names"]

_HEX = late(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}[ :\u00a0\t]{0,2}){19,31}[0-9A-Fa-f]{2}(?![0-9A-Fa-f])")
LENGTHS = (40, 64)
"""OpenPGP version 4 (SHA-1), and version 6 or X.509 (SHA-256)."""
AROUND = 240

_WARNS = late(
    r"(?i)\b(revok\w+|compromis\w+|stolen|leaked|do not (?:use|trust)|no longer (?:valid|trusted)|malicious|misus\w+)"
)
_DENIES = late(r"(?i)\b(?:not|never|no evidence\w*|n't)\b[^.;]{0,40}\b(?:revok\w+|compromis\w+|stolen|leaked|misus\w+)")
_ANNOUNCES = late(r"(?i)\b(new|rotat\w+|replac\w+|will be signed|now signed|successor|from now on|renew\w+|chang\w+)")


_BEFORE = late(r"^(?:0x|sha-?256(?: fingerprint)?\s*[:=])\s*", re.IGNORECASE)
_BETWEEN = late(r"[\s:.\u00a0-]")
_HEXADECIMAL = late(r"[0-9a-f]+")
ED25519 = b"Ed"
_COMMENT = b"untrusted comment:"


def plain(fingerprint: str) -> str:
    """A fingerprint in the one form that is compared: its digits in lower case, without blanks, colons and hyphens.

    What is none (sigstore's issuer and identity) only loses its blanks and capitals.
    """
    text = _BEFORE.sub("", fingerprint.strip()).lower()
    bare = _BETWEEN.sub("", text)
    return bare if _HEXADECIMAL.fullmatch(bare) else "".join(text.split())


def is_hex(fingerprint: str) -> bool:
    """True for digits in whatever grouping."""
    return bool(_HEXADECIMAL.fullmatch(plain(fingerprint)))


def of_pin(kind: str, recorded: str) -> str:
    """The fingerprint that a pin stands for; a minisign or signify key written out in full counts as its fingerprint."""
    key = ed25519(recorded.encode()) if kind in ("minisign", "signify") else None
    return hashlib.sha256(key.raw).hexdigest() if key else plain(recorded)


class Ed25519(NamedTuple):
    """A public key of minisign or signify."""

    id: bytes
    raw: bytes
    comment: str


def ed25519(text: bytes) -> Ed25519 | None:
    """A public key in either format: a file with a comment line, or its base64 alone."""
    lines = [line.strip() for line in text.strip().splitlines()]
    commented = len(lines) > 1 and lines[0].startswith(_COMMENT)
    try:
        data = base64.b64decode(lines[1] if commented else (lines or [b""])[0], validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(data) != 42 or data[:2] != ED25519:
        return None
    comment = lines[0].removeprefix(_COMMENT).strip().decode("utf-8", "replace") if commented else ""
    return Ed25519(data[2:10], data[10:], comment)


class Mention(NamedTuple):
    """One place in a text that names a fingerprint."""

    fingerprint: str
    """Lower-case hex."""
    excerpt: str
    tone: Tone


def mentions(text: str) -> Iterator[Mention]:
    """Every fingerprint in a text, with the words around it and what they seem to say."""
    for match in _HEX.finditer(text):
        fingerprint = re.sub(r"[^0-9A-Fa-f]", "", match[0]).lower()
        if len(fingerprint) in LENGTHS:
            start, end = _sentence(text, match.start(), match.end())
            excerpt = " ".join(text[start:end].split())
            yield Mention(fingerprint, excerpt, tone(excerpt))


def tone(sentence: str) -> Tone:
    """What a sentence seems to say of a key. A person reads the sentence; this only sorts."""
    if _WARNS.search(_DENIES.sub("", sentence)):
        return "warns"
    return "announces" if _ANNOUNCES.search(sentence) else "names"


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """From the end of the sentence before to the end of this one, at most ``AROUND`` characters each way."""
    first, last = max(0, start - AROUND), min(len(text), end + AROUND)
    before = [m.end() for m in re.finditer(r"[.!?]\s|\n\s*\n", text[first:start])]
    after = re.search(r"[.!?](?:\s|$)|\n\s*\n", text[end:last])
    begin = first + before[-1] if before else first + _blank(text[first:start]) if first else 0
    if after:
        return begin, end + after.end()
    return begin, last if last == len(text) else last - _blank(text[last - 1 : end - 1 : -1])


def _blank(text: str) -> int:
    """Characters up to the first line's end, or else the first blank, so that no word is cut in two."""
    found = re.search(r"\n", text) or re.search(r"\s", text)
    return found.end() if found else 0
