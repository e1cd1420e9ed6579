"""Sparse files of TAR: GNU's own header and the pax forms 0.1 and 1.0. Pure; holes are read as zeros, as a file system does.

The map must be in order, without overlap, inside the file's real size, and account for exactly the bytes that are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from fulldress.formats.refusal import refusal

BLOCK = 512
CHUNK = 1 << 16
MAX_PIECES = 1 << 20
_PREFIX = "GNU.sparse."
Read = Callable[[int, int], bytes]


class Sparse(NamedTuple):
    """Where the stored bytes of a sparse file begin and where they belong."""

    size: int
    """Of the file with its holes."""
    at: int
    pieces: tuple[tuple[int, int], ...]
    """(offset in the file, length), in order."""
    name: str = ""
    """The file's real name, where the pax form keeps it apart."""


def is_sparse(kind: bytes, pax: Mapping[str, str]) -> bool:
    """True for a header that announces a sparse file."""
    return kind == b"S" or any(key.startswith(_PREFIX) for key in pax)


def read(block: bytes, pax: Mapping[str, str], number: Callable[[bytes], int], fetch: Read, at: int, stored: int) -> Sparse:
    """The map of one sparse file; ``at`` is where its data begin, ``stored`` how many bytes they are.

    Raises PackageRefused ``archive-damaged``, or ``unknown-method`` for pax form 0.0, whose map other readers lose.
    """
    if block[156:157] == b"S":
        found, stored_at = _gnu(block, number, fetch, at)
    elif pax.get(_PREFIX + "major") == "1" and pax.get(_PREFIX + "minor") == "0":
        found, stored_at = _pax_1_0(pax, fetch, at, stored)
    elif _PREFIX + "map" in pax:
        found, stored_at = _pax_0_1(pax, at), at
    else:
        raise refusal("unknown-method", "a sparse file in a form that readers differ about")
    end = 0
    for offset, length in found.pieces:
        if offset < end or offset + length > found.size:
            raise refusal("archive-damaged", "the map of a sparse file contradicts itself")
        end = offset + length
    if sum(n for _, n in found.pieces) + (found.at - stored_at) * (block[156:157] != b"S") != stored:
        raise refusal("zip-views-disagree", "a sparse file stores more or fewer bytes than its map names")
    return found


def _gnu(block: bytes, number: Callable[[bytes], int], fetch: Read, at: int) -> tuple[Sparse, int]:
    pieces = list(_entries(block, 386, 4, number))
    more = block[482]
    while more:
        extension = fetch(at, BLOCK)
        at += BLOCK
        pieces.extend(_entries(extension, 0, 21, number))
        more = extension[504]
        if len(pieces) > MAX_PIECES:
            raise refusal("archive-bomb", "a sparse file of very many pieces")
    return Sparse(number(block[483:495]), at, tuple(p for p in pieces if p[1])), at


def _entries(block: bytes, start: int, count: int, number: Callable[[bytes], int]) -> Iterator[tuple[int, int]]:
    for n in range(count):
        field = block[start + 24 * n : start + 24 * n + 24]
        if field[:1] in (b"\0", b""):
            return
        yield number(field[:12]), number(field[12:])


def _pax_0_1(pax: Mapping[str, str], at: int) -> Sparse:
    numbers = [_decimal(n) for n in pax[_PREFIX + "map"].split(",") if n]
    size = _decimal(pax.get(_PREFIX + "size", ""))
    return Sparse(size, at, _pairs(numbers), pax.get(_PREFIX + "name", ""))


def _pax_1_0(pax: Mapping[str, str], fetch: Read, at: int, stored: int) -> tuple[Sparse, int]:
    """The map stands before the data, in decimal lines, padded to whole blocks."""
    numbers: list[int] = []
    line, cursor, wanted = b"", at, 1
    while len(numbers) < wanted:
        if cursor - at >= stored:
            raise refusal("archive-damaged", "the map of a sparse file is cut")
        block = fetch(cursor, BLOCK)
        cursor += BLOCK
        *lines, line = (line + block).split(b"\n")
        for text in lines:
            if len(numbers) < wanted:
                numbers.append(_decimal(text.decode("ascii", "replace")))
                wanted = 1 + 2 * min(numbers[0], MAX_PIECES)
    size = _decimal(pax.get(_PREFIX + "realsize", ""))
    return Sparse(size, cursor, _pairs(numbers[1:]), pax.get(_PREFIX + "name", "")), at


def _pairs(numbers: list[int]) -> tuple[tuple[int, int], ...]:
    if len(numbers) % 2 or len(numbers) > 2 * MAX_PIECES:
        raise refusal("archive-damaged", "the map of a sparse file contradicts itself")
    return tuple((a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True) if b)


def _decimal(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise refusal("archive-damaged", f"the map of a sparse file holds {text[:40]!r}")
    return int(text)


def content(sparse: Sparse, fetch: Read) -> Iterator[bytes]:
    """The file with its holes filled with zeros, in pieces of at most 64 KiB."""
    at, place = sparse.at, 0
    for offset, length in sparse.pieces:
        yield from _zeros(offset - place)
        for start in range(0, length, CHUNK):
            size = min(CHUNK, length - start)
            yield fetch(at + start, size)
        at, place = at + length, offset + length
    yield from _zeros(sparse.size - place)


def _zeros(count: int) -> Iterator[bytes]:
    full = bytes(CHUNK)
    for _ in range(count // CHUNK):
        yield full
    if count % CHUNK:
        yield bytes(count % CHUNK)
