"""The ``ar`` container of Debian packages, read and written. Pure over a seekable stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from fulldress.formats.members import shown
from fulldress.formats.refusal import refusal

MAGIC = b"!<arch>\n"
HEADER = 60
MAX_MEMBERS = 64
"""A .deb has three; nothing else is opened as ar."""


class Part(NamedTuple):
    """One member: where its bytes lie in the archive."""

    name: str
    offset: int
    size: int
    modified: int


def parts(stream: BinaryIO) -> list[Part]:
    """All members in order; raises PackageRefused ``zip-truncated``, ``archive-damaged`` or ``archive-bomb``."""
    end = stream.seek(0, 2)
    at = len(MAGIC)
    found: list[Part] = []
    while at < end:
        stream.seek(at)
        head = stream.read(HEADER)
        if len(head) < HEADER:
            raise refusal("zip-truncated", "the ar archive is cut")
        part = _part(head, at + HEADER)
        if part.offset + part.size > end:
            raise refusal("zip-truncated", f"the ar archive ends in the middle of {shown(part.name)!r}")
        found.append(part)
        if len(found) > MAX_MEMBERS:
            raise refusal("archive-bomb", f"an ar archive with more than {MAX_MEMBERS} members")
        at = part.offset + part.size + part.size % 2
    return found


def _part(head: bytes, offset: int) -> Part:
    name, modified, size = (head[a:b].rstrip(b" ") for a, b in ((0, 16), (16, 28), (48, 58)))
    if head[58:] != b"`\n" or not size.isdigit() or not (modified or b"0").isdigit():
        raise refusal("archive-damaged", f"there is no ar header where one is due, at byte {offset - HEADER}")
    return Part(name.decode("ascii", "replace").rstrip("/"), offset, int(size), int(modified or b"0"))


def chunks(stream: BinaryIO, part: Part) -> Iterator[bytes]:
    """The bytes of one member in pieces of at most 1 MiB."""
    at, left = part.offset, part.size
    while left:
        stream.seek(at)
        piece = stream.read(min(1 << 20, left))
        if not piece:
            raise refusal("zip-truncated", f"the ar archive ends in the middle of {shown(part.name)!r}")
        at, left = at + len(piece), left - len(piece)
        yield piece


def write(members: Iterable[tuple[str, int, Iterable[bytes]]]) -> Iterator[bytes]:
    """An ar archive of (name, size, pieces); the same bytes for the same input: time 0, owner root, mode 0644."""
    yield MAGIC
    for name, size, pieces in members:
        yield f"{name:<16}{0:<12}{0:<6}{0:<6}{0o100644:<8o}{size:<10}`\n".encode("ascii")
        yield from pieces
        yield b"\n" * (size % 2)
