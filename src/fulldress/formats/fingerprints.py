"""Fingerprints of keys inside prose, as people write them: in blocks of four, with colons, in capitals. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Tone = Literal["warns", "announces", "names"]

_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}[ :\u00a0\t]{0,2}){19,31}[0-9A-Fa-f]{2}(?![0-9A-Fa-f])")
LENGTHS = (40, 64)
"""OpenPGP version 4 (SHA-1), and version 6 or X.509 (SHA-256)."""
AROUND = 240

_WARNS = re.compile(
    r"(?i)\b(revok\w+|compromis\w+|stolen|leaked|do not (?:use|trust)|no longer (?:valid|trusted)|malicious|misus\w+)"
)
_DENIES = re.compile(
    r"(?i)\b(?:not|never|no evidence\w*|n't)\b[^.;]{0,40}\b(?:revok\w+|compromis\w+|stolen|leaked|misus\w+)"
)
_ANNOUNCES = re.compile(r"(?i)\b(new|rotat\w+|replac\w+|will be signed|now signed|successor|from now on|renew\w+|chang\w+)")


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
