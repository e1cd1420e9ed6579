"""Checksum lists as ``sha256sum`` and its kin, BSD's ``--tag``, OpenSSL, signify and Debian's md5sums write them. Pure."""

from __future__ import annotations

import codecs
import json
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late

_GNU = late(r"(\\?)([0-9A-Fa-f]{32,128}) [ *](.+)")
_TAGGED = late(r"(\\?)(MD5|SHA2-\d{3}|SHA-?\d{1,3}) ?\((.+)\) ?= ?([0-9A-Fa-f]{32,128})")
"""BSD's and coreutils' ``SHA256 (x) = …``, and OpenSSL's ``SHA2-256(x)= …``."""
_ALONE = late(r"\s*([0-9A-Fa-f]{32,128})\s*")
_BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
WEAK = ("md5", "sha1")
_ANY_NAME = late(
    r"(?i)^((md5|sha[12]?-?\d*)sums?|md5|sha(256|384|512)|checksums?|.+[.-](md5|sha\d*)(sums?)?)(\.txt|\.asc|\.sig)?$"
)
_NAME = late(r"(?i)^(sha256(sums?)?|checksums?|.+[.-]sha256(sums?)?)([.-]sha256)?(\.txt|\.asc|\.sig)?$")
_OF_ONE = late(r"(?i)\.(md5|sha\d{1,3})(sums?)?(\.txt)?$")
SHORTEST = 33
"""Characters that a line of a list has more than: the digits of the shortest sum, a blank and a name."""
_LINE_END = late(r"[\r\n\0]+")
"""``sha256sum -z`` ends its lines by NUL. Other line ends of Unicode are no line ends to those who write lists."""
_ESCAPE = late(r"\\([\\nr])")
_ESCAPED = {"\\": "\\", "n": "\n", "r": "\r"}
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
"""What editors and PowerShell put before a text."""


class Listed(NamedTuple):
    """One line of a list."""

    algorithm: str
    digest: str
    """Lower-case hex."""
    path: str


def is_list(name: str) -> bool:
    """True when a file of this base name is a list of SHA-256 sums by custom."""
    lower = name.lower()
    return ("sha256" in lower or "checksum" in lower) and _NAME.match(name) is not None


def is_any_list(name: str) -> bool:
    """True when a file of this base name is a list of sums of any kind by custom."""
    lower = name.lower()
    return ("sum" in lower or "md5" in lower or "sha" in lower) and _ANY_NAME.match(name) is not None


def decoded(data: bytes) -> str:
    """The text of a list: UTF-8, or what the mark before it says. Other bytes become ``\\xNN``, as in names of a package."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding, "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


def parse(text: str, name: str = "") -> dict[str, str]:
    """Path as listed (``./`` removed) -> SHA-256 in lower-case hex; other sums and other lines are passed over.

    A path listed twice with different sums gets the sum ``""``, which matches nothing. ``name``: see :func:`parse_any`.
    """
    found: dict[str, str] = {}
    for algorithm, digest, path in parse_any(text, name):
        if algorithm == "sha256":
            found[path] = digest if found.get(path, digest) == digest else ""
    return found


def parse_any(text: str, name: str = "") -> list[Listed]:
    """Every line that is a sum of a known length, in order; lines of other forms are passed over.

    ``name``: of the list's own file. ``x.iso.sha256`` that holds nothing but a sum speaks of ``x.iso``.
    """
    if text.startswith("\x7fELF"):
        return []  # the program of that name
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    found = [line for raw in lines if len(raw) > SHORTEST and (line := _line(raw)) is not None]
    alone = _ALONE.fullmatch(text.removeprefix("\ufeff")) if not found and _OF_ONE.search(name) else None
    if alone and (algorithm := _BY_LENGTH.get(len(alone[1]), "")):
        return [Listed(algorithm, alone[1].lower(), _OF_ONE.sub("", name))]
    return found


_PATHS = ("path", "name", "file", "filename", "fileName", "location")
_SUMS = (
    "sha256",
    "sha256sum",
    "SHA256",
    "SHA-256",
    "sha-256",
    "sha512",
    "sha1",
    "md5",
    "digest",
    "checksum",
    "hash",
    "integrity",
)
_DIGEST = late(r"(?i)(?:(?:md5|sha-?\d{1,3})[:=-])?([0-9a-f]{32,128})")
MAX_NESTED = 8


def parse_json(text: str) -> list[Listed]:
    """Sums in a manifest, at any depth: ``{path: sum}``, ``{path: {"sha256": sum}}``, ``[{"path": ..., "sha256": ...}]``."""
    try:
        return list(dict.fromkeys(_in_json(json.loads(text), 0)))
    except (ValueError, RecursionError):
        return []


def _in_json(item: object, depth: int) -> Iterator[Listed]:
    if isinstance(item, list) and depth < MAX_NESTED:
        for one in item:
            yield from _in_json(one, depth + 1)
    if not isinstance(item, dict) or depth >= MAX_NESTED:
        return
    own = _sum_of(item)
    path = next((item[key] for key in _PATHS if isinstance(item.get(key), str)), "")
    if own is not None and path:
        yield Listed(*own, posixpath.normpath(path))
        return
    for key, value in item.items():
        inner = _digest(value) if isinstance(value, str) else _sum_of(value) if isinstance(value, dict) else None
        if inner is not None and key not in _SUMS and ("." in key or "/" in key or isinstance(value, dict)):
            yield Listed(*inner, posixpath.normpath(key))
        else:
            yield from _in_json(value, depth + 1)


def _sum_of(item: dict[str, object]) -> tuple[str, str] | None:
    return next((found for key in _SUMS if isinstance(value := item.get(key), str) and (found := _digest(value))), None)


def _digest(text: str) -> tuple[str, str] | None:
    match = _DIGEST.fullmatch(text)
    algorithm = _BY_LENGTH.get(len(match[1]), "") if match is not None else ""
    return (algorithm, match[1].lower()) if match is not None and algorithm else None


def _line(raw: str) -> Listed | None:
    if match := _GNU.fullmatch(raw):
        escaped, digest, path = match.groups()
        algorithm = _BY_LENGTH.get(len(digest), "")
    elif match := _TAGGED.fullmatch(raw):
        escaped, kind, path, digest = match.groups()
        named = kind.lower().replace("sha2-", "sha").replace("-", "")
        algorithm = named if _BY_LENGTH.get(len(digest)) == named else ""
    else:
        return None
    if not algorithm:
        return None
    if escaped:
        path = _ESCAPE.sub(lambda m: _ESCAPED[m[1]], path)
    return Listed(algorithm, digest.lower(), posixpath.normpath(path))
