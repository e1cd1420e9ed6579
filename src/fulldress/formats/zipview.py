"""ZIP read strictly, by both of its views: the central directory and the local headers must tell one story.

Every byte of the file belongs to exactly one structure (member, descriptor, directory, end records) or the archive is
refused: a gap, an overlap, a prefix or a tail is where two readers begin to disagree. Two structures more are known: the
signing block of an Android package, and the program before a self-extracting archive (only as far as the caller allows).
Pure over a seekable stream; writes nothing. Reads ZIP64, streamed entries (bit 3), JAR; how members are packed is in
``zippacked``, where its directory lies in ``zipend``.
"""

from __future__ import annotations

import functools
import stat
import struct
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import BinaryIO, NamedTuple

import msgspec
from isal import isal_zlib as zlib

from fulldress.errors import PackageRefused
from fulldress.formats import apkblock, zipextra, zipnames, zippacked
from fulldress.formats.compressed import INFLATE_ERROR
from fulldress.formats.members import Member, MemberKind, about_archive, shown
from fulldress.formats.refusal import refusal
from fulldress.formats.zipend import LOCAL, MAX16, MAX32, End, find_end, read_at
from fulldress.formats.zipextra import disagree as _disagree

CENTRAL, DESCRIPTOR = b"PK\x01\x02", b"PK\x07\x08"
LOCAL_SIZE, CENTRAL_SIZE = 30, 46
_LOCAL, _CENTRAL = struct.Struct("<4s5H3L2H"), struct.Struct("<6H3L5H2L")
_OFFSET = attrgetter("offset")
NEWEST = 63
"""Version of the format that this reader knows, times ten."""
ENCRYPTED, STREAMED, STRONG, MASKED = 1, 8, 1 << 6, 1 << 13
_CLOSED_BITS = ENCRYPTED | STRONG | MASKED
LEVEL_BITS = 0b110
UNIX_SYSTEMS = (3, 19)
NO_MODE = 0xFFFF
"""What some Java tools write for folders whose mode they do not know (-1)."""
CHUNK = 1 << 20
"""Bytes of one piece: most members are one piece, so that little is done for each."""
MAX_LINK = 4096
STUB = "self-extracting-stub"
"""Name of the entry for the program before a self-extracting archive."""
PADDING = "padding behind the archive, which holds nothing but zeros or blanks"
COMMENTS = "comments, which no tool acts on and nobody looked into"
_BLOCK = "Android signing block"
_STDIN = "-"
"""What `zip` calls a member that it read from a pipe, with the mode of that pipe."""
USUAL_EXTRA = 64
"""Bytes of extra fields that are read along with a local header; longer ones are read for themselves."""
FEW = 1 << 16
"""Bytes of a packed content that are read along with its local header at most."""
MAX_DIRECTORY = 256 << 20
"""Bytes of central directory that are read at most (about two million members)."""


class Record(msgspec.Struct, gc=False):
    """One member as the central directory describes it, checked against its local header."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    when: tuple[int, int]
    crc: int
    packed: int
    size: int
    system: int
    attributes: int
    offset: int
    until: int = 0
    """Where the next structure begins."""

    data: int = 0
    """Where its bytes begin; known once the local header was read."""

    packed_bytes: bytes | None = None
    """Its bytes, where they are few: they were read along with the local header. For whoever asks first."""

    extra: str = ""
    """Names of extra fields that nobody is known to read."""

    remark: str = ""
    """What was done to its name (see ``zipnames``)."""


class Apart(NamedTuple):
    """Bytes of the file that belong to no member, and are known for what they are."""

    what: str
    offset: int
    size: int


def records(stream: BinaryIO, *, stub: int = 0, apart: list[Apart] | None = None, later: bool = False) -> list[Record]:
    """All members in the order of the central directory, both views compared.

    ``stub``: so many bytes of a self-extracting program may stand before the archive. ``apart`` gets what is no member.
    ``later``: the local headers are not compared yet, only that every byte has its place.
    Raises PackageRefused: not-a-zip, zip-truncated, zip-views-disagree, overlapping-members, encrypted, unknown-method.
    """
    size = stream.seek(0, 2)
    end, shift = find_end(stream, size, stub)
    found, comments = _central(stream, end)
    for record in found if shift else ():
        record.offset += shift
    known: list[Apart] = []
    stop = end.directory_offset
    if block := apkblock.before(lambda offset, length: read_at(stream, offset, length), stop):
        known.append(Apart(f"{_BLOCK} ({block.said})", block.start, block.size))
        stop = block.start
    first = min((r.offset for r in found), default=stop)
    if 0 < first <= stub:
        known.append(Apart(STUB, 0, first))
    if end.padding:
        known.append(Apart(PADDING, size - end.padding, end.padding))
    if end.comment + comments:
        known.append(Apart(f"{COMMENTS} ({end.comment + comments:,} bytes)", end.start, end.comment + comments))
    if apart is not None:
        apart.extend(known)
    _placed(found, first if first <= stub else 0, stop)
    for record in () if later else found:
        _compare(stream, record)
    return found


def members(
    stream: BinaryIO,
    *,
    stub: int = 0,
    apart: Callable[[str, int], None] = lambda _what, _size: None,
    mine: Callable[[int], bool] | None = None,
    others: bool = True,
) -> Iterator[Member]:
    """The archive's members; names are as recorded (see ``members.checked``). A stub is a member called ``STUB``.

    ``apart`` is told of bytes that belong to no member and are not looked into: what they are, and how many.
    ``mine``: of each member in turn, by its packed size, whether this reader opens it; another must open the others, and
    compares their local headers. ``others``: those are named too, for one who judges the archive as a whole.
    """
    known: list[Apart] = []
    found = records(stream, stub=stub, apart=known, later=True)
    for part in known:
        if part.what == STUB:
            read = functools.partial(_span, stream, 0, part.size)
            yield Member(name=STUB, kind="file", size=part.size, packed=part.size, at=0, chunks=read)
        elif part.what == PADDING or part.what.startswith(COMMENTS):
            yield about_archive(part.what)
        else:
            apart(part.what, part.size)
    found.reverse()
    while found:
        record = found.pop()  # what was walked need not be held: there may be 200,000
        if mine is None or mine(record.packed):
            _compare(stream, record)
            yield _member(stream, record)
        elif others:
            yield _elsewhere(stream, record)


# ---- central directory


def _central(stream: BinaryIO, end: End) -> tuple[list[Record], int]:
    """The members, and the bytes of their comments."""
    if end.directory_size > MAX_DIRECTORY:
        raise refusal("archive-bomb", f"its central directory alone has {end.directory_size} bytes")
    data = read_at(stream, end.directory_offset, end.directory_size)
    found: list[Record] = []
    at = comments = 0
    while at < len(data):
        record, following = _central_record(data, at)
        comments += int.from_bytes(data[at + 32 : at + 34], "little")
        found.append(record)
        at = following
    if len(found) != end.total:
        raise _disagree(f"the end record counts {end.total} members, the central directory holds {len(found)}")
    _name(found)
    return found, comments


def _name(found: list[Record]) -> None:
    """Names as ``zipnames`` settles them: one code page for all that name none, slashes for backslashes."""
    left_open = [r for r in found if not r.raw_name.isascii() and _leaves_open(r)]
    page = zipnames.code_page([r.raw_name for r in left_open])
    for record in left_open:
        record.name, record.remark = record.raw_name.decode(page), zipnames.unmarked(page)
    for record in found:
        if "\\" in record.name and (name := zipnames.slashed(record.name, record.system)) != record.name:
            record.name, record.remark = name, zipnames.BACKSLASHES


def _leaves_open(record: Record) -> bool:
    return not record.flags & zipnames.UTF8 and record.name == record.raw_name.decode("cp437")


def _central_record(data: bytes, at: int) -> tuple[Record, int]:
    if data[at : at + 4] != CENTRAL or at + CENTRAL_SIZE > len(data):
        raise _disagree(f"the central directory is malformed at its byte {at}")
    made_by, needed, flags, method, time, date, crc, packed, size, n, m, k, disk, _, attributes, offset = (
        _CENTRAL.unpack_from(data, at + 4)
    )
    stop = at + CENTRAL_SIZE + n + m + k
    if stop > len(data):
        raise _disagree(f"the central directory is malformed at its byte {at}")
    raw = data[at + CENTRAL_SIZE : at + CENTRAL_SIZE + n]
    odd = ""
    if m or k or disk or MAX32 in (size, packed, offset):
        extras = zipextra.fields(data[at + CENTRAL_SIZE + n : stop - k])
        name = zipextra.name(raw, flags, extras)
        zipextra.check_comment(data[stop - k : stop], extras)
        size, packed, offset, disk = _wide(extras, name, (size, MAX32), (packed, MAX32), (offset, MAX32), (disk, MAX16))
        if disk:
            raise _disagree(f"{shown(name)!r} is said to lie on another disk")
        odd = zipextra.unknown(extras, raw, data[stop - k : stop])
    else:
        name = raw.decode("ascii") if raw.isascii() else zipextra.name(raw, flags, {})
    if flags & _CLOSED_BITS or method not in zippacked.METHODS or needed & 0xFF > NEWEST:
        raise _unreadable(name, flags, method, needed)
    when = date, time
    return Record(name, raw, flags, method, when, crc, packed, size, made_by >> 8, attributes, offset, extra=odd), stop


def _unreadable(name: str, flags: int, method: int, needed: int) -> PackageRefused:
    if flags & _CLOSED_BITS:
        return refusal("encrypted", f"the member {shown(name)!r} is encrypted")
    if method not in zippacked.METHODS:
        called = f" ({zippacked.NAMES[method]})" if method in zippacked.NAMES else ""
        return refusal("unknown-method", f"the member {shown(name)!r} is packed by method {method}{called}")
    return refusal("unknown-method", f"the member {shown(name)!r} asks for a reader of version {(needed & 0xFF) / 10}")


def _wide(extras: dict[int, bytes], name: str, *fields: tuple[int, int]) -> list[int]:
    """Each (value, limit): a value at its limit is taken from the ZIP64 field, in order, as many as are there."""
    data, at, result = extras.get(0x0001, b""), 0, []
    for value, limit in fields:
        width = 8 if limit == MAX32 else 4
        if value == limit:
            if at + width > len(data):
                raise _disagree(f"{shown(name)!r} needs a ZIP64 field that is missing or too short")
            value = int.from_bytes(data[at : at + width], "little")
            at += width
        result.append(value)
    return result


# ---- local headers


def _placed(found: list[Record], expected: int, stop: int) -> None:
    """Every byte between has its member, and no byte two: sets where the next structure begins."""
    last: Record | None = None
    for record in sorted(found, key=_OFFSET):
        if record.offset < expected or (last is not None and record.offset == last.offset):
            raise refusal("overlapping-members", f"{shown(record.name)!r} begins inside another member")
        if last is None and record.offset > expected:
            raise _disagree(f"{record.offset - expected} bytes before {shown(record.name)!r} belong to no member")
        if last is not None:
            last.until = record.offset
        last = record
    if last is not None:
        last.until = stop
    elif expected != stop:
        raise _disagree(f"{stop - expected} bytes before the central directory belong to no member")


def _compare(stream: BinaryIO, record: Record) -> None:
    """Hold a record against its local header; sets where its bytes begin, and keeps them when they are few."""
    room = record.until - record.offset
    if room < LOCAL_SIZE:
        raise refusal("overlapping-members", f"there is no room for the header of {shown(record.name)!r}")
    few = record.packed if record.packed <= FEW else 0
    start = read_at(stream, record.offset, min(room, LOCAL_SIZE + len(record.raw_name) + USUAL_EXTRA + few))
    magic, _, flags, method, time, date, crc, packed, size, n, m = _LOCAL.unpack_from(start)
    if magic != LOCAL:
        raise _disagree(f"there is no local header where the directory says {shown(record.name)!r} begins")
    head = LOCAL_SIZE + n + m
    if head + record.packed > room:
        raise refusal("overlapping-members", f"{shown(record.name)!r} reaches into the member behind it")
    if len(start) < head:
        start = read_at(stream, record.offset, head)
    record.data = record.offset + head
    if few and len(start) >= head + few:
        record.packed_bytes = start[head : head + few]
    if m:
        size, packed = _extras(record, start[LOCAL_SIZE : LOCAL_SIZE + n], start[LOCAL_SIZE + n : head], flags, size, packed)
    raw = start[LOCAL_SIZE : LOCAL_SIZE + n]
    if (
        raw != record.raw_name
        or (flags ^ record.flags) & ~LEVEL_BITS
        or method != record.method
        or (date, time) != record.when
    ):
        raise _disagree(f"{shown(record.name)!r} has another name, flag, method or time in its local header")
    if (crc, packed, size) != (record.crc, record.packed, record.size):
        _left_open(record, flags, (crc, packed, size))
    if head + record.packed < room or record.flags & STREAMED:
        _descriptor(stream, record, record.data + record.packed)


def _extras(record: Record, raw: bytes, extra: bytes, flags: int, size: int, packed: int) -> tuple[int, int]:
    """What the extra fields of the local header say: its sizes, if they are large; the name must be the same."""
    extras = zipextra.fields(extra)
    size, packed = _wide(extras, record.name, (size, MAX32), (packed, MAX32))
    if zipextra.UNICODE_PATH in extras and record.name != zipnames.slashed(zipextra.name(raw, flags, extras), record.system):
        raise _disagree(f"{shown(record.name)!r} has another name in its local header")
    odd = zipextra.unknown(extras, record.raw_name)
    record.extra = ", ".join(dict.fromkeys(o for o in (record.extra, odd) if o))
    return size, packed


def _left_open(record: Record, flags: int, numbers: tuple[int, int, int]) -> None:
    """Where a member was streamed, its local header may leave its numbers open, and say no others."""
    declared = (record.crc, record.packed, record.size)
    if not flags & STREAMED or not all(a in (0, b) for a, b in zip(numbers, declared, strict=True)):
        raise _disagree(f"{shown(record.name)!r} has another size or checksum in its local header")


def _descriptor(stream: BinaryIO, record: Record, at: int) -> None:
    """What lies between a member's bytes and the next structure: nothing, or one of the four forms of descriptor."""
    length = record.until - at
    if not record.flags & STREAMED or length not in (12, 16, 20, 24):
        raise _disagree(f"{length} bytes behind {shown(record.name)!r} belong to no member")
    data = read_at(stream, at, length)
    body = data[4:] if length in (16, 24) else data
    if (length in (16, 24) and data[:4] != DESCRIPTOR) or struct.unpack("<L2L" if len(body) == 12 else "<L2Q", body) != (
        *(record.crc, record.packed, record.size),
    ):
        raise _disagree(f"the descriptor behind {shown(record.name)!r} has another size or checksum")


# ---- content


def _elsewhere(stream: BinaryIO, record: Record) -> Member:
    """A member that another reader opens; where a link points to is everybody's business."""
    kind, _ = _kind(record)
    if kind == "symlink":
        _compare(stream, record)
        return msgspec.structs.replace(_member(stream, record), elsewhere=True)
    return Member(name=record.name, kind=kind, packed=record.packed, elsewhere=True)


def _member(stream: BinaryIO, record: Record) -> Member:
    kind, mode = _kind(record)
    link = ""
    if kind == "symlink":
        if record.size > MAX_LINK:
            raise refusal("symlink-escape", f"the link {shown(record.name)!r} has a target of {record.size} bytes")
        link = b"".join(content(stream, record)).decode("utf-8", "replace")
    if kind == "directory" and record.size:
        raise _disagree(f"the folder {shown(record.name)!r} has content")
    return Member(
        name=record.name,
        kind=kind,
        size=record.size if kind == "file" else 0,
        mode=mode,
        modified=_modified(record.when),
        link=link,
        chunks=lambda: content(stream, record),
        packed=record.packed,
        at=record.data if record.method == zippacked.STORED else None,
        attributes=record.extra,
        remark=record.remark,
    )


def _kind(record: Record) -> tuple[MemberKind, int]:
    unix = record.attributes >> 16
    if unix == NO_MODE:
        unix = 0
    kind = stat.S_IFMT(unix)
    folder = record.name.endswith("/")
    if kind == stat.S_IFIFO and record.name == _STDIN:
        kind = stat.S_IFREG
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise refusal("special-file", f"{shown(record.name)!r} is a device, pipe or socket")
    if (kind == stat.S_IFDIR) != folder and kind != 0:
        raise _disagree(f"{shown(record.name)!r} is a folder by its name or by its mode, but not by both")
    if kind == stat.S_IFLNK:
        return "symlink", 0o777
    default = 0o755 if folder else 0o644
    mode = stat.S_IMODE(unix) if record.system in UNIX_SYSTEMS and unix else default
    return ("directory" if folder else "file"), mode


@functools.lru_cache(maxsize=1024)  # the members of an archive share a few
def _modified(when: tuple[int, int]) -> str:
    date, time = when
    year, month, day = 1980 + (date >> 9), (date >> 5) & 15, date & 31
    hour, minute, second = time >> 11, (time >> 5) & 63, (time & 31) * 2
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return ""
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"


def content(stream: BinaryIO, record: Record) -> Iterator[bytes]:
    """A member's bytes in pieces of at most 1 MiB; size, checksum and the end of its stream are verified.

    Raises PackageRefused ``archive-damaged``, or ``zip-views-disagree`` when it holds more than it declares.
    """
    if record.method == zippacked.DEFLATED and 0 < record.size < CHUNK and record.packed <= CHUNK:
        return iter((_small(stream, record),))
    return _verified(stream, record)


def _small(stream: BinaryIO, record: Record) -> bytes:
    """A member of one piece, which most are: the same checks as in :func:`_verified`, in the same order."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    packed, record.packed_bytes = record.packed_bytes or read_at(stream, record.data, record.packed), None
    try:
        data = inflater.decompress(packed, record.size + 1)
        if not inflater.eof and len(data) <= record.size:
            data += inflater.decompress(inflater.unconsumed_tail, 1)
    except INFLATE_ERROR as error:
        raise _not_unpacked(record, error) from None
    if len(data) > record.size:
        raise _longer(record)
    _ended(inflater.eof, inflater.unused_data, record)
    if len(data) != record.size or zlib.crc32(data) != record.crc:
        raise _not_itself(record)
    return data


def _verified(stream: BinaryIO, record: Record) -> Iterator[bytes]:
    crc, size = 0, 0
    pieces = _unpacked(stream, record)
    for piece in pieces:
        size += len(piece)
        crc = zlib.crc32(piece, crc)
        if size > record.size:
            raise _longer(record)
        yield piece
    if size != record.size or crc != record.crc:
        raise _not_itself(record)


def _longer(record: Record) -> PackageRefused:
    return _disagree(f"{shown(record.name)!r} holds more than the {record.size} bytes it declares")


def _not_itself(record: Record) -> PackageRefused:
    return refusal("archive-damaged", f"{shown(record.name)!r} does not match its own size and checksum")


def _not_unpacked(record: Record, error: Exception) -> PackageRefused:
    return refusal("archive-damaged", f"{shown(record.name)!r} cannot be unpacked: {error}")


def _ended(eof: bool, unused: bytes, record: Record) -> None:
    """Refuse a packed stream that ends before or behind its member."""
    if unused:
        raise _disagree(f"bytes hide behind the packed content of {shown(record.name)!r}")
    if not eof:
        raise refusal("archive-damaged", f"the packed content of {shown(record.name)!r} is cut")


def _unpacked(stream: BinaryIO, record: Record) -> Iterator[bytes]:
    if record.method == zippacked.DEFLATED:
        return _inflated(stream, record)
    pieces = _packed(stream, record)
    if record.method == zippacked.STORED:
        return pieces
    return zippacked.unpacked(pieces, record.method, record.size, repr(shown(record.name)))


def _packed(stream: BinaryIO, record: Record) -> Iterator[bytes]:
    return _span(stream, record.data, record.packed)


def _span(stream: BinaryIO, at: int, left: int) -> Iterator[bytes]:
    while left:
        piece = read_at(stream, at, min(CHUNK, left))
        at, left = at + len(piece), left - len(piece)
        yield piece


def _inflated(stream: BinaryIO, record: Record) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in _packed(stream, record):
            if inflater.eof:
                raise _disagree(f"bytes hide behind the packed content of {shown(record.name)!r}")
            while piece and not inflater.eof:
                out = inflater.decompress(piece, CHUNK)
                piece = inflater.unconsumed_tail
                if out:
                    yield out
        while not inflater.eof and (out := inflater.decompress(inflater.unconsumed_tail, CHUNK)):
            yield out
    except INFLATE_ERROR as error:
        raise _not_unpacked(record, error) from None
    _ended(inflater.eof, inflater.unused_data, record)
