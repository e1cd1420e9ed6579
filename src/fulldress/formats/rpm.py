"""RPM packages: lead, signature header, header, and a packed cpio payload, read strictly by both of their views.

The header lists every file with mode, size and digest, the payload holds them: they must tell one story. Scripts and facts
become entries under ``RPM/``, and so do the header's own bytes with the OpenPGP signatures over them, so that ``trust`` can
check these like any other. Pure over a seekable stream; never rewritten (a changed RPM has no valid header).
"""

from __future__ import annotations

import hashlib
import stat
import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

from msgspec.structs import replace

from fulldress.errors import PackageRefused
from fulldress.formats import cpio
from fulldress.formats.members import Member, shown
from fulldress.formats.refusal import refusal

MAGIC = b"\xed\xab\xee\xdb"
LEAD = 96
HEADER_MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"
MAX_STORE, MAX_INDEX = 64 << 20, 200_000
PREFIX = "RPM/"
HEADER_ENTRY = PREFIX + "header"
"""The signed bytes; every other byte of the package is bound to them by strong digests that were checked.

Where only weak ones bind them, the entry is called ``header-alone``."""
CHUNK = 1 << 16
_WIDTH = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}
_HASHES = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}
_SIGNATURES = {268: "rsa", 267: "dsa"}
_RESERVED = 1008
_GHOST = 1 << 6
_FACTS = {
    1000: "Name",
    1003: "Epoch",
    1001: "Version",
    1002: "Release",
    1022: "Architecture",
    1004: "Summary",
    1014: "License",
    1011: "Vendor",
    1015: "Packager",
    1020: "URL",
    1007: "Build-Host",
    1044: "Source-RPM",
}
_RELATIONS = {"Provides": (1047, 1112, 1113), "Requires": (1049, 1048, 1050), "Conflicts": (1054, 1053, 1055)}
_SCRIPTS = {
    "pretrans": (1151, 1153),
    "prein": (1023, 1085),
    "postin": (1024, 1086),
    "preun": (1025, 1087),
    "postun": (1026, 1088),
    "posttrans": (1152, 1154),
    "verify": (1079, 1091),
}
_TRIGGERS = (1065, 1092)
_PACKERS = {"gzip": "gz", "bzip2": "bz2", "xz": "xz", "lzma": "lzma", "zstd": "zst", "": "gz", "none": ""}

Tags = Mapping[int, object]


class Package(NamedTuple):
    """An RPM, its digests over header and payload already checked."""

    tags: Tags
    signatures: tuple[tuple[str, bytes], ...]
    """(name, OpenPGP packet) of the signatures over the header alone."""
    header: bytes
    payload: int
    """Where the payload begins; it reaches to the end."""
    size: int
    packed: str
    """``gz``, ``xz``, ``bz2``, ``zst``, ``lzma`` or ``""``."""
    bound: bool
    """True when a strong digest in the header covers the payload or each file of it."""


def read(stream: BinaryIO) -> Package:
    """The package, with every digest that its headers record compared.

    Raises PackageRefused ``zip-truncated``, ``archive-damaged``, ``unknown-method`` or ``zip-views-disagree``.
    """
    end = stream.seek(0, 2)
    lead = _read(stream, 0, LEAD)
    if lead[:4] != MAGIC or lead[4] not in (3, 4):
        raise refusal("unknown-method", f"the RPM is of version {lead[4]}, which is not opened")
    signature, _, at = _header(stream, LEAD)
    reserved = signature.get(_RESERVED)
    if isinstance(reserved, bytes) and any(reserved):
        raise refusal("zip-views-disagree", "bytes hide in the space that the RPM keeps free for signatures")
    padding = -at % 8
    if any(_read(stream, at, padding)):
        raise refusal("zip-views-disagree", "bytes hide between the headers of the RPM")
    tags, raw, payload = _header(stream, at + padding)
    _check_header(signature, raw)
    _check_payload(stream, signature, tags, raw, payload, end)
    packer = _text(tags, 1125)
    if packer not in _PACKERS or _text(tags, 1124) not in ("cpio", ""):
        raise refusal("unknown-method", f"the RPM's payload is {_text(tags, 1124)!r} packed by {packer!r}")
    found = tuple((name, value) for tag, name in _SIGNATURES.items() if isinstance(value := signature.get(tag), bytes))
    bound = bool(_texts(tags, 5092)) or _number(tags, 5011, 1) >= 8
    # rpm itself takes a payload that is not packed whatever the header says of its packer.
    plain = cpio.is_header(_read(stream, payload, min(cpio.HEAD, end - payload)))
    return Package(tags, found, raw, payload, end - payload, "" if plain else _PACKERS[packer], bound)


def _read(stream: BinaryIO, offset: int, size: int) -> bytes:
    stream.seek(offset)
    data = stream.read(size)
    if len(data) != size:
        raise refusal("zip-truncated", f"the RPM ends in the middle of a record at byte {offset}")
    return data


def _damaged(what: str) -> PackageRefused:
    return refusal("archive-damaged", f"the RPM's {what}")


# ---- headers


def _header(stream: BinaryIO, at: int) -> tuple[Tags, bytes, int]:
    """Tags, the header's own bytes, and where it ends."""
    head = _read(stream, at, 16)
    if head[:8] != HEADER_MAGIC:
        raise _damaged(f"header does not begin where it should, at byte {at}")
    count, length = struct.unpack(">2L", head[8:])
    if count > MAX_INDEX or length > MAX_STORE:
        raise refusal("archive-bomb", f"an RPM header of {count} tags and {length} bytes")
    body = _read(stream, at + 16, 16 * count + length)
    store = body[16 * count :]
    tags: dict[int, object] = {}
    used = bytearray(length)
    for n in range(count):
        tag, kind, offset, number = struct.unpack_from(">4L", body, 16 * n)
        if tag in tags:
            raise refusal("zip-views-disagree", f"the RPM's header holds the tag {tag} twice")
        tags[tag], stop = _value(store, tag, kind, offset, number)
        used[offset:stop] = b"\1" * (stop - offset)
    if any(byte and not known for byte, known in zip(store, used, strict=True)):
        raise refusal("zip-views-disagree", "bytes of an RPM header belong to no tag")
    return tags, head + body, at + 16 + len(body)


def _value(store: bytes, tag: int, kind: int, offset: int, count: int) -> tuple[object, int]:
    """The value, and where it ends in the store."""
    if offset > len(store) or count > MAX_STORE:
        raise _damaged(f"tag {tag} lies outside its header")
    if kind in (6, 8, 9):
        return _strings(store, tag, offset, count)
    if kind == 0:
        return None, offset
    width = _WIDTH.get(kind)
    if width is None or offset + width * count > len(store):
        raise _damaged(f"tag {tag} lies outside its header or is of an unknown kind")
    data = store[offset : offset + width * count]
    if kind == 7:
        return data, offset + len(data)
    return [int.from_bytes(data[n : n + width], "big") for n in range(0, len(data), width)], offset + len(data)


def _strings(store: bytes, tag: int, offset: int, count: int) -> tuple[list[str], int]:
    found = []
    for _ in range(count):
        stop = store.find(b"\0", offset)
        if stop < 0:
            raise _damaged(f"tag {tag} lies outside its header")
        found.append(store[offset:stop].decode("utf-8", "surrogateescape"))
        offset = stop + 1
    return found, offset


def _texts(tags: Tags, tag: int) -> list[str]:
    value = tags.get(tag)
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _text(tags: Tags, tag: int) -> str:
    return (_texts(tags, tag) or [""])[0]


def _numbers(tags: Tags, tag: int) -> list[int]:
    value = tags.get(tag)
    return [v for v in value if isinstance(v, int)] if isinstance(value, list) else []


def _number(tags: Tags, tag: int, default: int) -> int:
    return (_numbers(tags, tag) or [default])[0]


# ---- digests


def _check_header(signature: Tags, raw: bytes) -> None:
    for tag, algorithm in ((273, "sha256"), (269, "sha1")):
        if (recorded := _text(signature, tag)) and hashlib.new(
            algorithm, raw, usedforsecurity=False
        ).hexdigest() != recorded:
            raise _damaged(f"header does not match its own {algorithm.upper()}")


def _check_payload(stream: BinaryIO, signature: Tags, tags: Tags, raw: bytes, start: int, end: int) -> None:
    size = (_numbers(signature, 270) or _numbers(signature, 1000) or [len(raw) + end - start])[0]
    if size != len(raw) + end - start:
        slug = "zip-truncated" if size > len(raw) + end - start else "zip-views-disagree"
        raise refusal(slug, f"the RPM has {len(raw) + end - start} bytes behind its signature, but says {size}")
    whole = hashlib.md5(raw, usedforsecurity=False)
    algorithm = _HASHES.get(_number(tags, 5093, 8), "")
    recorded = _text(tags, 5092)
    payload = hashlib.new(algorithm or "sha256")
    at = start
    while at < end:
        piece = _read(stream, at, min(CHUNK, end - at))
        whole.update(piece)
        payload.update(piece)
        at += len(piece)
    if recorded and (not algorithm or payload.hexdigest() != recorded):
        raise _damaged("payload does not match its own digest")
    md5 = signature.get(1004)
    if isinstance(md5, bytes) and whole.digest() != md5:
        raise _damaged("header and payload do not match their own checksum")


# ---- facts and scripts as entries


def metadata(package: Package) -> Iterator[Member]:
    """Entries under ``RPM/``: ``control`` (facts in lines), one for each script, the header and its signatures."""
    when = _iso(_number(package.tags, 1006, 0))
    yield _entry("control", "".join(_control(package.tags)).encode("utf-8", "surrogateescape"), when)
    for name, (tag, program) in _SCRIPTS.items():
        if body := _text(package.tags, tag):
            yield _script(name, body, _text(package.tags, program), when)
    for number, body in enumerate(_texts(package.tags, _TRIGGERS[0])):
        programs = _texts(package.tags, _TRIGGERS[1])
        yield _script(f"trigger{number}", body, programs[number] if number < len(programs) else "", when)
    signed = HEADER_ENTRY.removeprefix(PREFIX) if package.bound else "header-alone"
    yield _entry(signed, package.header, when)
    for number, (_, data) in enumerate(package.signatures):
        yield _entry(f"{signed}{('.sig', '.asc')[number]}", data, when)


def _script(name: str, body: str, program: str, when: str) -> Member:
    lua = program == "<lua>"
    first = "" if lua or body.startswith("#!") else f"#!{program or '/bin/sh'}\n"
    return _entry(name + ".lua" * lua, f"{first}{body}\n".encode("utf-8", "surrogateescape"), when)


def _entry(name: str, data: bytes, when: str) -> Member:
    return Member(
        name=PREFIX + name, kind="file", size=len(data), owner="root:root", modified=when, chunks=lambda: iter((data,))
    )


def _control(tags: Tags) -> Iterator[str]:
    for tag, name in _FACTS.items():
        value = tags.get(tag)
        if isinstance(value, list) and value:
            yield f"{name}: {' '.join(str(value[0]).split())}\n"
    for name, (what, flags, versions) in _RELATIONS.items():
        for n, other in enumerate(_texts(tags, what)):
            yield f"{name}: {other}{_compared(_numbers(tags, flags), _texts(tags, versions), n)}\n"


def _compared(flags: list[int], versions: list[str], n: int) -> str:
    if n >= len(flags) or n >= len(versions) or not versions[n]:
        return ""
    sign = "<" * bool(flags[n] & 2) + ">" * bool(flags[n] & 4) + "=" * bool(flags[n] & 8)
    return f" {sign} {versions[n]}" if sign else ""


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else ""


# ---- files


class _Listed(NamedTuple):
    mode: int
    size: int
    digest: str
    owner: str
    ghost: bool


def files(package: Package, tree: BinaryIO) -> Iterator[Member]:
    """The payload's members (``tree``: the unpacked cpio), each compared with what the header says of it.

    Raises PackageRefused ``zip-views-disagree`` where they differ, ``archive-damaged`` for content of another digest.
    """
    listed = _listed(package.tags)
    algorithm = _HASHES.get(_number(package.tags, 5011, 1), "")
    left = {name for name, facts in listed.items() if not facts.ghost}
    for member in cpio.members(tree):
        name = _plain(member.name)
        facts = listed.get(name)
        if facts is None or name not in left:
            raise refusal(
                "zip-views-disagree", f"the RPM's payload holds {shown(name)!r}, its header does not (or once only)"
            )
        left.discard(name)
        _agree(member, facts)
        yield replace(
            member,
            name=name,
            owner=facts.owner,
            link=_plain(member.link) if member.kind == "hardlink" else member.link,
            chunks=_checked(member, facts.digest, algorithm),
        )
    if left:
        raise refusal("zip-views-disagree", f"the RPM's header lists {shown(min(left))!r}, its payload does not hold it")


def _plain(name: str) -> str:
    return name.removeprefix("./").removeprefix("/")


def _agree(member: Member, facts: _Listed) -> None:
    kinds = {"directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}
    if stat.S_IFMT(facts.mode) != kinds.get(member.kind, stat.S_IFREG) or stat.S_IMODE(facts.mode) != member.mode:
        raise refusal("zip-views-disagree", f"{shown(member.name)!r} has another kind or mode in the RPM's header")
    if member.kind == "file" and facts.size != member.size:
        raise refusal("zip-views-disagree", f"{shown(member.name)!r} has another size in the RPM's header")


class _checked:
    """A member's pieces; its digest is compared at the end."""

    def __init__(self, member: Member, digest: str, algorithm: str) -> None:
        self.member, self.digest, self.algorithm = member, digest, algorithm

    def __call__(self) -> Iterator[bytes]:
        hasher = hashlib.new(self.algorithm, usedforsecurity=False) if self.digest and self.algorithm else None
        for piece in self.member.chunks():
            if hasher is not None:
                hasher.update(piece)
            yield piece
        if hasher is not None and self.member.kind == "file" and hasher.hexdigest() != self.digest:
            raise _damaged(f"header has another digest for {shown(self.member.name)!r}")


def _listed(tags: Tags) -> dict[str, _Listed]:
    names = _names(tags)
    modes, flags = _numbers(tags, 1030), _numbers(tags, 1037)
    sizes = _numbers(tags, 5008) or _numbers(tags, 1028)
    digests, users, groups = _texts(tags, 1035), _texts(tags, 1039), _texts(tags, 1040)
    if any(len(column) != len(names) for column in (modes, flags, sizes, digests, users, groups)):
        raise _damaged("header lists its files in columns of different length")
    rows = zip(names, modes, sizes, digests, users, groups, flags, strict=True)
    found = {n: _Listed(m & 0xFFFF, s, d, f"{u}:{g}", bool(f & _GHOST)) for n, m, s, d, u, g, f in rows}
    if len(found) != len(names):
        raise refusal("duplicate-name", "the RPM's header lists a file twice")
    return found


def _names(tags: Tags) -> list[str]:
    bases, folders, index = _texts(tags, 1117), _texts(tags, 1118), _numbers(tags, 1116)
    if len(bases) != len(index) or any(n >= len(folders) for n in index):
        raise _damaged("header lists its files in columns of different length")
    if not bases:
        return [_plain(name) for name in _texts(tags, 1027)]
    return [_plain(folders[n] + base) for n, base in zip(index, bases, strict=True)]
