"""Checksum lists as ``sha256sum`` and its kin, BSD's ``shasum --tag`` and Debian's md5sums write them. Pure."""

from __future__ import annotations

import posixpath
from typing import NamedTuple

from fulldress.formats.late import late

_GNU = late(r"^\\?([0-9A-Fa-f]{64}) [ *](.+)$")
_BSD = late(r"^SHA256 \((.+)\) = ([0-9A-Fa-f]{64})$")
_ANY_GNU = late(r"^\\?([0-9A-Fa-f]{32,128}) [ *](.+)$")
_ANY_BSD = late(r"^(MD5|SHA1|SHA224|SHA256|SHA384|SHA512) \((.+)\) = ([0-9A-Fa-f]{32,128})$")
_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
WEAK = ("md5", "sha1")
_ANY_NAME = late(r"(?i)^((md5|sha\d*)sums?|checksums?|.+[.-](md5|sha\d*)(sums?)?)(\.txt|\.asc)?$")
_NAME = late(r"(?i)^(sha256sums?|checksums?|.+[.-]sha256(sums?)?)([.-]sha256)?(\.txt|\.asc)?$")


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


class Listed(NamedTuple):
    """One line of a list."""

    algorithm: str
    digest: str
    """Lower-case hex."""
    path: str


def is_any_list(name: str) -> bool:
    """True when a file of this base name is a list of sums of any kind by custom."""
    lower = name.lower()
    return ("sum" in lower or "md5" in lower or "sha" in lower) and _ANY_NAME.match(name) is not None


def parse_any(text: str) -> list[Listed]:
    """Every line that is a sum of a known length, in order; lines of other forms are passed over."""
    found = []
    for line in text.splitlines():
        if match := _ANY_GNU.match(line):
            digest, path = match.groups()
            algorithm = _BY_LENGTH.get(len(digest), "")
        elif match := _ANY_BSD.match(line):
            name, path, digest = match.groups()
            algorithm = name.lower() if _BY_LENGTH.get(len(digest)) == name.lower() else ""
        else:
            continue
        if algorithm:
            found.append(Listed(algorithm, digest.lower(), posixpath.normpath(path)))
    return found
