"""Where the central directory of a ZIP lies: its end records, plain and ZIP64, found once or refused.

Two readers that begin at different end records see two archives, so there may be one only, with nothing behind it but
padding: the zeros that fill up the last block of a tape or a pipe, or a line's end. Pure over a seekable stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from fulldress.errors import PackageRefused
from fulldress.formats import bare
from fulldress.formats.refusal import refusal
from fulldress.formats.zipextra import disagree as _disagree

LOCAL, END, END64, LOCATOR = b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_SIZE, END64_SIZE, LOCATOR_SIZE = 22, 56, 20
MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF
MAX_ZEROS, MAX_BLANKS = 1 << 16, 16
"""Bytes of padding behind the end record: zeros up to the largest usual block, blanks and line ends up to a few."""
_BLANKS = b"\r\n\t \x1a"
NEAR = END_SIZE + 4096
"""Bytes at the end of a file in which :func:`hangs_behind` looks; honest comments are shorter."""


class End(NamedTuple):
    """What the end records say; sizes and offsets in bytes."""

    total: int
    directory_size: int
    directory_offset: int
    start: int
    """Where the first end record begins: the directory must end here."""
    padding: int = 0
    """Zeros or blanks behind the last end record."""
    comment: int = 0
    """Bytes of the archive's own comment."""


def read_at(stream: BinaryIO, offset: int, size: int) -> bytes:
    """Exactly so many bytes; raises PackageRefused ``zip-truncated``."""
    stream.seek(offset)
    data = stream.read(size)
    if len(data) != size:
        raise refusal("zip-truncated", f"the ZIP ends in the middle of a record at byte {offset}")
    return data


def hangs_behind(tail: bytes) -> bool:
    """True when a file ends like a ZIP (``tail``: its last ``NEAR`` bytes): a reader that looks from the end opens it."""
    at = tail.rfind(END)
    return at >= 0 and at + END_SIZE <= len(tail) and _padding(tail, at) >= 0


def find_end(stream: BinaryIO, size: int, stub: int) -> tuple[End, int]:
    """The end records, and by how much all offsets are off: a stub may have been put before without adjusting them.

    ``size``: of the stream; ``stub``: bytes that may stand before the archive. Raises PackageRefused: not-a-zip,
    zip-truncated, zip-views-disagree.
    """
    head = read_at(stream, 0, min(bare.HEAD, size))
    tail = _tail(stream, size, END_SIZE + MAX16)
    if not _exact(tail) and not tail[-1:].strip(b"\0" + _BLANKS):
        tail = _tail(stream, size, END_SIZE + MAX16 + MAX_ZEROS)
    at = _find_end(tail, head)
    position = size - len(tail) + at
    disk, start_disk, here, count, length, offset, _ = struct.unpack_from("<4H2LH", tail, at + 4)
    if here != count or disk not in (0, MAX16) or start_disk not in (0, MAX16):
        raise _several_disks()
    plain = End(count, length, offset, position)
    end = _end64(stream, plain, disk, start_disk, stub) or plain
    if end is plain and (disk or start_disk or here != count):
        raise _several_disks()
    shift = end.start - end.directory_size - end.directory_offset
    if shift and not 0 < shift <= stub:
        raise _directory_misplaced(end)
    offset, comment = end.directory_offset + shift, _comment_length(tail, at)
    return end._replace(directory_offset=offset, padding=_padding(tail, at), comment=comment), shift


def _several_disks() -> PackageRefused:
    return _disagree("the end record speaks of several disks, or counts its members twice with different results")


def _tail(stream: BinaryIO, size: int, most: int) -> bytes:
    return read_at(stream, max(0, size - most), min(size, most))


def _hits(tail: bytes) -> list[int]:
    return [at for at in _all(tail, END) if at + END_SIZE <= len(tail)]


def _stop(tail: bytes, at: int) -> int:
    """Where the end record at ``at`` ends, with its comment."""
    return at + END_SIZE + _comment_length(tail, at)


def _exact(tail: bytes) -> list[int]:
    return [at for at in _hits(tail) if _stop(tail, at) == len(tail)]


def _padding(tail: bytes, at: int) -> int:
    """Bytes of padding behind the end record at ``at``; -1 when something else follows it, or it is cut."""
    rest = tail[_stop(tail, at) :]
    padded = not any(rest) if len(rest) > MAX_BLANKS else not rest.strip(b"\0") or not rest.strip(_BLANKS)
    return len(rest) if padded and _stop(tail, at) <= len(tail) and len(rest) <= MAX_ZEROS else -1


def _find_end(tail: bytes, head: bytes) -> int:
    hits, exact = _hits(tail), _exact(tail)
    if not exact and hits and _padding(tail, hits[-1]) > 0:
        exact = [at for at in hits if _stop(tail, at) == _stop(tail, hits[-1])]
    if len(exact) > 1 or (exact and hits[-1] > exact[0]):
        raise _disagree("the archive has more than one end record: readers differ in which they take")
    if exact:
        return exact[0]
    if hits and _stop(tail, hits[-1]) < len(tail):
        raise _disagree(f"{len(tail) - _stop(tail, hits[-1])} bytes follow the end record")
    if head[:2] == b"PK":
        raise refusal("zip-truncated", "the file begins like a ZIP, but its end record is missing or cut")
    what = bare.said(head)
    raise refusal("not-a-zip", f"the file is no archive: it is {what}" if what else "the file is no archive that is known")


def _all(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)


def _comment_length(tail: bytes, at: int) -> int:
    return int.from_bytes(tail[at + 20 : at + 22], "little")


def _end64(stream: BinaryIO, plain: End, plain_disk: int, plain_start: int, stub: int) -> End | None:
    at = plain.start - LOCATOR_SIZE
    locator = read_at(stream, at, LOCATOR_SIZE) if at >= END64_SIZE else b""
    if locator[:4] != LOCATOR:
        if MAX32 in (plain.directory_size, plain.directory_offset):
            raise _disagree("the end record points to a ZIP64 record that is not there")
        return None
    disk, position, disks = struct.unpack_from("<LQL", locator, 4)
    shift = at - END64_SIZE - position
    if disk or disks != 1 or not 0 <= shift <= stub:
        raise _disagree("the ZIP64 locator does not point to the record before it")
    position = at - END64_SIZE
    record = read_at(stream, position, END64_SIZE)
    if record[:4] != END64:
        raise _disagree("the ZIP64 locator points to something else")
    length, _, _, disk, start, here, count, directory_size, offset = struct.unpack_from("<Q2H2L4Q", record, 4)
    if length != END64_SIZE - 12 or disk or start or here != count:
        raise _disagree("the ZIP64 end record is malformed")
    pairs = (
        (plain.total, count, MAX16),
        (plain.directory_size, directory_size, MAX32),
        (plain.directory_offset, offset, MAX32),
        (plain_disk, disk, MAX16),
        (plain_start, start, MAX16),
    )
    if any(short not in (long, limit) for short, long, limit in pairs):
        raise _disagree("the ZIP64 end record and the plain one disagree")
    return End(count, directory_size, offset, position)


def _directory_misplaced(end: End) -> PackageRefused:
    shift = end.start - end.directory_offset - end.directory_size
    if shift > 0:
        return _disagree(f"{shift} bytes belong to no structure (before the archive, or between directory and end record)")
    return refusal("zip-truncated", f"{-shift} bytes are missing before the end record")
