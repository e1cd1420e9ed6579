"""The ``cpio`` container (newc, its checksummed form, and odc), read strictly and written canonically. Pure over a stream.

The payload of RPM packages and of initial ramdisks. Of several hard links only one carries the content. Devices are refused;
after the trailer only zeros may follow.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

from msgspec.structs import replace

from fulldress.formats.members import MAX_NAME, Member, MemberKind, shown
from fulldress.formats.refusal import refusal

NEWC, CHECKED, ODC = b"070701", b"070702", b"070707"
MAGICS = (NEWC, CHECKED, ODC)
TRAILER = "TRAILER!!!"
CHUNK = 1 << 16
MAX_LINK = 4096
_NEWC_SIZE, _ODC_SIZE = 110, 76
HEAD = _NEWC_SIZE
"""Bytes that :func:`is_header` needs."""
_KINDS: dict[int, MemberKind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


class Header(NamedTuple):
    """One member as recorded, and where its content lies."""

    name: str
    mode: int
    uid: int
    gid: int
    links: int
    modified: int
    size: int
    node: tuple[int, ...]
    """Device and inode: equal for hard links of one file."""
    check: int
    """Sum of the content's bytes (``CHECKED`` only, else -1)."""
    at: int
    """Where the content begins."""


def is_header(head: bytes) -> bool:
    """True for the beginning of a cpio archive that this reader opens."""
    return head[:6] in MAGICS and all(c in b"0123456789abcdefABCDEF" for c in head[6:62]) and len(head) >= _ODC_SIZE


def headers(stream: BinaryIO) -> Iterator[Header]:
    """Every member's header in order, without the trailer.

    Raises PackageRefused ``zip-truncated``, ``archive-damaged``, ``zip-views-disagree`` (bytes that belong to nothing).
    """
    end = stream.seek(0, 2)
    at = 0
    while True:
        found, following = _header(stream, at)
        if following > end:
            raise refusal("zip-truncated", f"the cpio archive ends in the middle of {shown(found.name)!r}")
        if found.name == TRAILER and not found.size:
            _only_zeros(stream, following, end)
            return
        yield found
        at = following


def _header(stream: BinaryIO, at: int) -> tuple[Header, int]:
    stream.seek(at)
    head = stream.read(_NEWC_SIZE)
    magic = head[:6]
    if magic not in MAGICS:
        slug = "zip-truncated" if len(head) < 6 else "archive-damaged"
        raise refusal(slug, f"there is no cpio header where one is due, at byte {at}")
    old = magic == ODC
    if len(head) < (_ODC_SIZE if old else _NEWC_SIZE):
        raise refusal("zip-truncated", "the cpio archive is cut")
    header, length = _odc(head, at) if old else _newc(head, at)
    if not 1 < length <= MAX_NAME + 1:
        raise refusal("archive-damaged", f"a cpio header announces a name of {length} bytes")
    start = at + (_ODC_SIZE if old else _NEWC_SIZE)
    raw = _read(stream, start, length)
    if raw[-1:] != b"\0" or b"\0" in raw[:-1]:
        raise refusal("archive-damaged", f"a cpio member's name does not end where its header says: {raw[:80]!r}")
    align = 1 if old else 4
    body = _padded(stream, start + length, align)
    header = header._replace(name=raw[:-1].decode("utf-8", "surrogateescape"), at=body)
    return header, _padded(stream, body + header.size, align)


def _newc(head: bytes, at: int) -> tuple[Header, int]:
    f = [_number(head[6 + 8 * n : 14 + 8 * n], 16, at) for n in range(13)]
    check = f[12] if head[:6] == CHECKED else -1
    return Header("", f[1], f[2], f[3], f[4], f[5], f[6], (f[7], f[8], f[0]), check, 0), f[11]


def _odc(head: bytes, at: int) -> tuple[Header, int]:
    widths = (6, 6, 6, 6, 6, 6, 6, 11, 6, 11)
    starts = [6 + sum(widths[:n]) for n in range(len(widths))]
    dev, ino, mode, uid, gid, links, _, mtime, length, size = (
        _number(head[a : a + w], 8, at) for a, w in zip(starts, widths, strict=True)
    )
    return Header("", mode, uid, gid, links, mtime, size, (dev, ino), -1, 0), length


def _number(field: bytes, base: int, at: int) -> int:
    if not all(c in b"0123456789abcdefABCDEF" for c in field):
        raise refusal("archive-damaged", f"a cpio header holds the number {field!r}, at byte {at}")
    try:
        return int(field, base)
    except ValueError:
        raise refusal("archive-damaged", f"a cpio header holds the number {field!r}, at byte {at}") from None


def _padded(stream: BinaryIO, at: int, align: int) -> int:
    length = -at % align
    stream.seek(at)
    if any(stream.read(length)):
        raise refusal("zip-views-disagree", f"bytes hide in the padding of the cpio archive, at byte {at}")
    return at + length


def _read(stream: BinaryIO, offset: int, size: int) -> bytes:
    stream.seek(offset)
    data = stream.read(size)
    if len(data) != size:
        raise refusal("zip-truncated", f"the cpio archive ends in the middle of a record at byte {offset}")
    return data


def _only_zeros(stream: BinaryIO, at: int, end: int) -> None:
    while at < end:
        piece = _read(stream, at, min(CHUNK, end - at))
        if any(piece):
            raise refusal("zip-views-disagree", f"bytes follow the trailer of the cpio archive, at byte {at}")
        at += len(piece)


# ---- members


def members(stream: BinaryIO) -> Iterator[Member]:
    """The archive's members in order; hard links come behind the file that carries their content.

    Raises PackageRefused: see :func:`headers`; special-file for devices, pipes and sockets.
    """
    waiting: dict[tuple[int, ...], list[Member]] = {}
    carried: dict[tuple[int, ...], str] = {}
    for header in headers(stream):
        member = _member(stream, header)
        if member.kind != "file" or header.links < 2:
            yield member
        elif header.size:
            yield member
            carried.setdefault(header.node, member.name)
            yield from (_hard(other, member.name) for other in waiting.pop(header.node, ()))
        elif header.node in carried:
            yield _hard(member, carried[header.node])
        else:
            waiting.setdefault(header.node, []).append(member)
    for empty in waiting.values():
        yield empty[0]
        yield from (_hard(other, empty[0].name) for other in empty[1:])


def _hard(member: Member, target: str) -> Member:
    return replace(member, kind="hardlink", link=target)


def _member(stream: BinaryIO, header: Header) -> Member:
    kind = _KINDS.get(stat.S_IFMT(header.mode))
    if kind is None:
        raise refusal("special-file", f"{shown(header.name)!r} is a device, pipe or socket")
    link = ""
    if kind == "symlink":
        if not 0 < header.size <= MAX_LINK:
            raise refusal("symlink-escape", f"the link {shown(header.name)!r} has a target of {header.size} bytes")
        link = _read(stream, header.at, header.size).decode("utf-8", "surrogateescape")
    if kind == "directory" and header.size:
        raise refusal("zip-views-disagree", f"the folder {shown(header.name)!r} has content")
    return Member(
        name=header.name,
        kind=kind,
        size=header.size if kind == "file" else 0,
        mode=stat.S_IMODE(header.mode),
        owner=f"{header.uid}:{header.gid}",
        modified=datetime.fromtimestamp(header.modified, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        link=link,
        chunks=lambda: _content(stream, header),
        packed=header.size if kind == "file" else 0,
        at=header.at if kind == "file" and header.check < 0 else None,
    )


def _content(stream: BinaryIO, header: Header) -> Iterator[bytes]:
    at, left, total = header.at, header.size, 0
    while left:
        piece = _read(stream, at, min(CHUNK, left))
        at, left = at + len(piece), left - len(piece)
        if header.check >= 0:
            total = (total + sum(piece)) & 0xFFFFFFFF
        yield piece
    if header.check >= 0 and total != header.check:
        raise refusal("archive-damaged", f"{shown(header.name)!r} does not match its own checksum")


# ---- writing


def write(members: Iterable[Member]) -> Iterator[bytes]:
    """A newc archive of the members, sorted; the same bytes for the same input. Hard links become copies of nothing:
    they carry the number of their file and no content, as the format wants it.
    """
    ordered = sorted(members, key=lambda m: (m.kind != "hardlink", m.name))
    files = {m.name: n for n, m in enumerate(ordered, 1)}
    shared = [m.link for m in ordered if m.kind == "hardlink"]
    for number, member in enumerate(ordered, 1):
        node = files.get(member.link, number) if member.kind == "hardlink" else number
        links = 1 + shared.count(member.link if member.kind == "hardlink" else member.name)
        yield from _written(member, node, links)
    yield _newc_header(TRAILER, 0, 0, (0, 0), 1, 0, 0)


def _written(member: Member, node: int, links: int) -> Iterator[bytes]:
    kinds = {"directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}
    target = member.link.encode("utf-8", "surrogateescape") if member.kind == "symlink" else b""
    size = member.size if member.kind == "file" else len(target)
    mode = kinds.get(member.kind, stat.S_IFREG) | member.mode
    yield _newc_header(member.name, node, mode, _owner(member.owner), links, _seconds(member.modified), size)
    yield from member.chunks() if member.kind == "file" else (target,)
    yield bytes(-size % 4)


def _newc_header(name: str, node: int, mode: int, owner: tuple[int, int], links: int, modified: int, size: int) -> bytes:
    raw = name.encode("utf-8", "surrogateescape") + b"\0"
    numbers = (node, mode, *owner, links, modified, size, 0, 0, 0, 0, len(raw), 0)
    head = NEWC + b"".join(b"%08x" % n for n in numbers) + raw
    return head + bytes(-len(head) % 4)


def _owner(owner: str) -> tuple[int, int]:
    user, _, group = owner.partition(":")
    return tuple(int(n) if n.isascii() and n.isdigit() else 0 for n in (user, group))  # type: ignore[return-value]


def _seconds(modified: str) -> int:
    try:
        when = datetime.fromisoformat(modified)
    except ValueError:
        return 0
    return max(0, int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())) & 0xFFFFFFFF
