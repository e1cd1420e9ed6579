"""TAR read strictly: ustar, GNU long names, pax headers, sparse files; writes nothing. Pure over a seekable stream.

Unknown types and devices are refused. After the end only zeros may follow; what stands in the padding behind a member is
remarked on.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, NamedTuple

from msgspec.structs import replace

from fulldress.formats import tardump, tarsparse
from fulldress.formats.late import late
from fulldress.formats.members import Member, MemberKind, about_archive, shown
from fulldress.formats.refusal import refusal

BLOCK = 512
PADDED = "bytes in the padding behind its members, which no tool unpacks and nobody looked into"
CHUNK = 1 << 20
ZEROS = bytes(BLOCK)
MAX_HEADER = 1 << 20
"""Bytes of one pax or long-name header that are read at most."""
_KINDS: dict[bytes, MemberKind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"5": "directory",
    tardump.TYPE: "directory",
}
_LABEL = b"V"
_SPECIAL = (b"3", b"4", b"6")
_XATTR = ("SCHILY.xattr.", "LIBARCHIVE.xattr.", "SCHILY.acl.", "RHT.security.selinux")
_OCTAL = late(rb"[0-7]+")
_CHECKSUM = late(rb"[\0 ]*([0-7]{3,})[\0 ]*")
_PAX = late(rb"(\d{1,7}) ([^=\0]+)=")


class _Header(NamedTuple):
    name: str
    type: bytes
    size: int
    mode: int
    owner: str
    modified: float
    link: str
    attributes: str


def is_header(block: bytes) -> bool:
    """True when the 512 bytes are a TAR header with a right checksum."""
    if len(block) < BLOCK:
        return False
    found = _CHECKSUM.fullmatch(block, 148, 156)
    if found is None:  # nearly everything that is no header ends here, without a sum over it; so do zeros
        return False
    return int(found[1], 8) == sum(block[:148]) + 8 * 32 + sum(block[156:BLOCK])


def members(stream: BinaryIO) -> Iterator[Member]:
    """The archive's members in order.

    Raises PackageRefused: zip-truncated, archive-damaged, special-file, unknown-method, zip-views-disagree.
    """
    size = stream.seek(0, 2)
    at, zeros, gap = 0, 0, 0
    extended: dict[str, str] = {}
    everywhere: dict[str, str] = {}
    while at < size and zeros < 2:
        block = _read(stream, at - gap, gap + BLOCK)  # with the padding behind the member before
        if gap:
            if block.count(0, 0, gap) != gap:
                yield about_archive(PADDED)
            block, gap = block[gap:], 0
        at += BLOCK
        if block == ZEROS:
            zeros += 1
            continue
        if zeros or not is_header(block):
            raise refusal("archive-damaged", f"there is no TAR header where one is due, at byte {at - BLOCK}")
        kind = block[156:157]
        if kind in b"xgLK" and kind:
            length = _number(block[124:136])
            extra = _extension(kind, _header_data(stream, at, length))
            (everywhere if kind == b"g" else extended).update(extra)
            at, gap = at + _padded(length), -length % BLOCK
            continue
        pax = {**everywhere, **extended} if everywhere or extended else {}
        header = _header(block, pax)
        extended = {}
        if kind == _LABEL and not header.size:
            yield about_archive(f"a volume label, which names no file: {shown(header.name)!r}")
            continue
        body = header.size if _KINDS.get(header.type) == "file" or header.type == tardump.TYPE else 0
        if at + body > size:
            raise refusal("zip-truncated", f"the TAR ends in the middle of {shown(header.name)!r}")
        if tarsparse.is_sparse(header.type, pax):
            member, start = _sparse(stream, block, pax, header, at)
            yield member
            at, gap = (start if header.type == b"S" else at) + _padded(body), -body % BLOCK
            continue
        listing = pax.get(tardump.PAX, "").encode("utf-8", "surrogateescape")
        if header.type == tardump.TYPE:
            listing = _header_data(stream, at, header.size)
        member = _member(stream, header, at)
        yield replace(member, remark=tardump.remark(listing, header.name)) if listing else member
        at, gap = at + _padded(body), -body % BLOCK
    if extended:
        raise refusal("archive-damaged", "a TAR header announces a member that does not follow")
    if zeros == 0:
        raise refusal("zip-truncated", "the TAR has no end mark")
    _only_zeros(stream, at, size)


def _only_zeros(stream: BinaryIO, at: int, size: int) -> None:
    while at < size:
        piece = _read(stream, at, min(CHUNK, size - at))
        if piece.count(0) != len(piece):
            raise refusal("zip-views-disagree", f"bytes follow the end mark of the TAR, at byte {at}")
        at += len(piece)


def _read(stream: BinaryIO, offset: int, size: int) -> bytes:
    stream.seek(offset)
    data = stream.read(size)
    if len(data) != size:
        raise refusal("zip-truncated", f"the TAR ends in the middle of a record at byte {offset}")
    return data


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _header_data(stream: BinaryIO, at: int, length: int) -> bytes:
    if length > MAX_HEADER:
        raise refusal("archive-bomb", f"a TAR header of {length} bytes")
    return _read(stream, at, length)


def _octal(field: bytes) -> int:
    text = field.strip(b"\0 ")
    return int(text, 8) if _OCTAL.fullmatch(text) else (-1 if text else 0)


def _number(field: bytes) -> int:
    """Octal, or GNU's base 256. Raises archive-damaged."""
    value = int.from_bytes(field[1:], "big") if field[0] == 0x80 else _octal(field)
    if value < 0:
        raise refusal("archive-damaged", f"a TAR header holds the number {field!r}")
    return value


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _extension(kind: bytes, data: bytes) -> dict[str, str]:
    if kind in (b"L", b"K"):
        if data.partition(b"\0")[2].strip(b"\0"):
            raise refusal("zip-views-disagree", "bytes hide behind a long name of the TAR")
        return {"path" if kind == b"L" else "linkpath": _text(data)}
    found: dict[str, str] = {}
    at = 0
    while at < len(data) and data[at]:
        match = _PAX.match(data, at)
        stop = at + int(match.group(1)) if match else 0
        if not match or stop > len(data) or stop <= match.end() or data[stop - 1 : stop] != b"\n":
            raise refusal("archive-damaged", "a pax header is malformed")
        found[match.group(2).decode("utf-8", "replace")] = data[match.end() : stop - 1].decode("utf-8", "surrogateescape")
        at = stop
    if data[at:].strip(b"\0"):
        raise refusal("zip-views-disagree", "bytes hide behind a pax header of the TAR")
    return found


def _header(block: bytes, pax: dict[str, str]) -> _Header:
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = f"{prefix}/{name}"
    if not pax:
        return _Header(
            name=name,
            type=block[156:157],
            size=_number(block[124:136]),
            mode=_mode(block[100:108]),
            owner=_owner(block[108:124], block[265:329]),
            modified=_time(block[136:148]),
            link=_text(block[157:257]) if block[157] else "",
            attributes="",
        )
    user = pax.get("uname", _text(block[265:297])) or pax.get("uid", "") or str(_number(block[108:116]))
    group = pax.get("gname", _text(block[297:329])) or pax.get("gid", "") or str(_number(block[116:124]))
    return _Header(
        name=pax.get("path", name),
        type=block[156:157],
        size=_decimal(pax["size"]) if "size" in pax else _number(block[124:136]),
        mode=_mode(block[100:108]),
        owner=_printable(f"{user}:{group}"),
        modified=_seconds(pax["mtime"]) if "mtime" in pax else float(_number(block[136:148])),
        link=pax.get("linkpath", _text(block[157:257])),
        attributes=_printable(", ".join(sorted(k for k in pax if k.startswith(_XATTR)))),
    )


@lru_cache(512)
def _mode(field: bytes) -> int:
    return _number(field) & 0o7777


@lru_cache(512)
def _time(field: bytes) -> float:
    return float(_number(field))


@lru_cache(512)
def _owner(numbers: bytes, names: bytes) -> str:
    user = _text(names[:32]) or str(_number(numbers[:8]))
    group = _text(names[32:]) or str(_number(numbers[8:]))
    return _printable(f"{user}:{group}")


def _printable(text: str) -> str:
    """Bytes that are no UTF-8 as ``\\xNN``: what is only shown need not be exact, but must be text."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _decimal(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise refusal("archive-damaged", f"a pax header holds the size {text[:40]!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise refusal("archive-damaged", f"a pax header holds the time {text[:40]!r}") from None


def _member(stream: BinaryIO, header: _Header, at: int) -> Member:
    if header.type in _SPECIAL:
        raise refusal("special-file", f"{shown(header.name)!r} is a device or a pipe")
    kind = _KINDS.get(header.type)
    if kind is None:
        raise refusal("unknown-method", f"{shown(header.name)!r} has the unknown TAR type {header.type!r}")
    if kind == "file" and header.name.endswith("/"):
        kind = "directory"
    if kind != "file" and header.type in (b"0", b"\0", b"7") and header.size:
        raise refusal("zip-views-disagree", f"the folder {shown(header.name)!r} has content")
    return Member(
        name=header.name,
        kind=kind,
        size=header.size if kind == "file" else 0,
        mode=header.mode,
        owner=header.owner,
        modified=_iso(header.modified),
        link=header.link if kind in ("symlink", "hardlink") else "",
        chunks=lambda: _content(stream, at, header.size),
        packed=header.size if kind == "file" else 0,
        at=at,
        attributes=header.attributes,
    )


def _sparse(stream: BinaryIO, block: bytes, pax: dict[str, str], header: _Header, at: int) -> tuple[Member, int]:
    """A sparse file as a member, and where its stored bytes begin."""
    fetch = functools.partial(_read, stream)
    found = tarsparse.read(block, pax, _number, fetch, at, header.size)
    member = replace(_member(stream, header, at), size=found.size, at=None, chunks=lambda: tarsparse.content(found, fetch))
    return replace(member, name=found.name or member.name), found.at


@lru_cache(4096)
def _iso(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def _content(stream: BinaryIO, at: int, size: int) -> Iterator[bytes]:
    while size:
        piece = _read(stream, at, min(CHUNK, size))
        at, size = at + len(piece), size - len(piece)
        yield piece
