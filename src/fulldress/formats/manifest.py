"""JAR manifests and signature files (``MANIFEST.MF``, ``*.SF``): sections of attributes, and their exact bytes. Pure."""

from __future__ import annotations

from typing import NamedTuple

from fulldress.formats.late import late

_BLANK = late(rb"(?:\r\n|\n|\r(?!\n)){2}")
_LINE = late(rb"\r\n|\n|\r")


class Section(NamedTuple):
    """One section: what it is about, its attributes (names in lower case), and the bytes that a digest is made of."""

    name: str
    attributes: dict[str, str]
    raw: bytes


class Manifest(NamedTuple):
    """A manifest taken apart."""

    main: Section
    sections: dict[str, Section]
    twice: tuple[str, ...]
    """Names of sections that stand there more than once: readers differ in which they take."""


def parse(data: bytes) -> Manifest:
    """The sections in order; lines of 72 bytes are joined again."""
    sections = [_section(raw) for raw in _split(data)]
    main = sections[0] if sections else Section("", {}, b"")
    named: dict[str, Section] = {}
    twice = []
    for section in sections[1:]:
        if section.name in named:
            twice.append(section.name)
        if section.name:
            named.setdefault(section.name, section)
    return Manifest(main, named, tuple(twice))


def _split(data: bytes) -> list[bytes]:
    """Sections with the blank line that ends each."""
    found, at = [], 0
    while at < len(data):
        match = _BLANK.search(data, at)
        stop = match.end() if match else len(data)
        found.append(data[at:stop])
        at = stop
    return found


def _section(raw: bytes) -> Section:
    attributes: dict[str, str] = {}
    lines: list[bytes] = []
    for line in _LINE.split(raw):
        if line.startswith(b" ") and lines:
            lines[-1] += line[1:]
        elif line:
            lines.append(line)
    for line in lines:
        key, colon, value = line.partition(b": ")
        if colon:
            attributes.setdefault(key.decode("utf-8", "replace").lower(), value.decode("utf-8", "replace"))
    return Section(attributes.get("name", ""), attributes, raw)


def digests(section: Section, suffix: str = "-digest") -> dict[str, str]:
    """Algorithm as ``hashlib`` calls it -> digest in base64, of the attributes that end with ``suffix``."""
    found = {}
    for key, value in section.attributes.items():
        if key.endswith(suffix):
            algorithm = key.removesuffix(suffix).replace("-", "")
            if algorithm in ("md5", "sha1", "sha", "sha224", "sha256", "sha384", "sha512"):
                found["sha1" if algorithm == "sha" else algorithm] = value.strip()
    return found
