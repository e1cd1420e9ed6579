"""Checksum lists as ``sha256sum`` and BSD's ``shasum --tag`` write them. Pure."""

from __future__ import annotations

import posixpath
import re

_GNU = re.compile(r"^\\?([0-9A-Fa-f]{64}) [ *](.+)$")
_BSD = re.compile(r"^SHA256 \((.+)\) = ([0-9A-Fa-f]{64})$")
_NAME = re.compile(r"(?i)^(sha256sums?|checksums?|.+[.-]sha256(sums?)?)([.-]sha256)?(\.txt|\.asc)?$")


def is_list(name: str) -> bool:
    """True when a file of this base name is a list of SHA-256 sums by custom."""
    return bool(_NAME.match(name))


def parse(text: str) -> dict[str, str]:
    """Path as listed (``./`` removed) -> SHA-256 in lower-case hex; lines of other forms are passed over.

    A path listed twice with different sums gets the sum ``""``, which matches nothing.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        if match := _GNU.match(line):
            sha256, path = match.groups()
        elif match := _BSD.match(line):
            path, sha256 = match.groups()
        else:
            continue
        path, sha256 = posixpath.normpath(path), sha256.lower()
        found[path] = sha256 if found.get(path, sha256) == sha256 else ""
    return found
