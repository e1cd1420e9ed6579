"""Archives that are byte-identical on every run and machine: ZIP (stored), gzip (stored blocks), tar, ar, ELF, class.

May not compress: deflate's output differs between zlib builds, stored blocks do not. Pure bytes, no I/O.
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple


class Member(NamedTuple):
    """One file of an archive; ``modified`` is UTC. A ``data`` of None is a directory."""

    path: str
    data: bytes | None
    mode: int
    modified: datetime


def zip_bytes(members: Iterable[Member]) -> bytes:
    """A ZIP with every member stored, Unix modes, in the order given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            directory = member.data is None
            info = zipfile.ZipInfo(member.path + ("/" if directory else ""), member.modified.timetuple()[:6])
            info.create_system = 3  # Unix, whatever machine builds it
            info.external_attr = ((0o040000 if directory else 0o100000) | member.mode) << 16 | (0x10 if directory else 0)
            archive.writestr(info, member.data or b"")
    return buffer.getvalue()


def gzip_stored(data: bytes, *, modified: datetime) -> bytes:
    """gzip of stored blocks, written by hand."""
    blocks = [data[i : i + 0xFFFF] for i in range(0, len(data), 0xFFFF)] or [b""]
    out = [b"\x1f\x8b\x08\x00" + struct.pack("<I", int(modified.timestamp())) + b"\x00\x03"]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        out.append(struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF) + block)
    out.append(struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF))
    return b"".join(out)


def tar_bytes(members: Iterable[Member]) -> bytes:
    """A GNU tar owned by root, paths as ``./path``; parent directories are added."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in _with_parents(members):
            info = tarfile.TarInfo("." if not member.path else f"./{member.path}")
            info.mode, info.mtime = member.mode, int(member.modified.timestamp())
            info.uname = info.gname = "root"
            if member.data is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            else:
                info.size = len(member.data)
                archive.addfile(info, io.BytesIO(member.data))
    return buffer.getvalue()


def _with_parents(members: Iterable[Member]) -> list[Member]:
    listed = sorted(members)
    newest = max(m.modified for m in listed)
    found = {m.path: m for m in listed}
    for member in listed:
        parts = member.path.split("/")
        for depth in range(len(parts)):
            parent = "/".join(parts[:depth])
            found.setdefault(parent, Member(parent, None, 0o755, newest))
    return [found[path] for path in sorted(found)]


def ar_bytes(members: Sequence[tuple[str, bytes]], *, modified: datetime) -> bytes:
    """A System V ``ar`` archive, as dpkg reads it."""
    out = [b"!<arch>\n"]
    stamp = int(modified.timestamp())
    for name, data in members:
        out.append(f"{name:<16}{stamp:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        out.append(data + (b"\n" if len(data) % 2 else b""))
    return b"".join(out)


def deb_bytes(control: str, scripts: dict[str, bytes], conffiles: Sequence[str], files: Sequence[Member]) -> bytes:
    """A Debian binary package with md5sums; ``@SIZE@`` in control becomes the installed size in KiB."""
    modified = max(f.modified for f in files)
    size = sum(len(f.data or b"") for f in files)
    sums = "".join(f"{hashlib.md5(f.data).hexdigest()}  {f.path}\n" for f in sorted(files) if f.data is not None)
    meta = [Member("control", control.replace("@SIZE@", str(-(-size // 1024))).encode(), 0o644, modified)]
    meta.append(Member("md5sums", sums.encode(), 0o644, modified))
    meta.append(Member("conffiles", "".join(f"/{c}\n" for c in conffiles).encode(), 0o644, modified))
    meta.extend(Member(name, data, 0o755, modified) for name, data in scripts.items())
    parts = [("debian-binary", b"2.0\n")]
    parts.append(("control.tar.gz", gzip_stored(tar_bytes(meta), modified=modified)))
    parts.append(("data.tar.gz", gzip_stored(tar_bytes(files), modified=modified)))
    return ar_bytes(parts, modified=modified)


def elf_saying(text: str) -> bytes:
    """A static x86-64 Linux program, assembled by hand, that prints the text and exits 0."""
    message = text.encode()
    base, start = 0x400000, 64 + 56
    code_size = 33
    address = base + start + code_size
    code = b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00"  # mov eax, 1 (write); mov edi, 1
    code += (
        b"\xbe" + struct.pack("<I", address) + b"\xba" + struct.pack("<I", len(message))
    )  # mov esi, text; mov edx, length
    code += b"\x0f\x05\xb8\x3c\x00\x00\x00\x31\xff\x0f\x05\x90\x90"  # syscall; mov eax, 60 (exit); xor edi, edi; syscall
    size = start + len(code) + len(message)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    program = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return header + program + code + message


def java_class(name: str, constants: Sequence[str]) -> bytes:
    """A loadable Java class without methods whose constant pool holds the given strings."""
    pool: list[bytes] = []

    def utf8(text: str) -> int:
        raw = text.encode()
        pool.append(b"\x01" + struct.pack(">H", len(raw)) + raw)
        return len(pool)

    def entry(tag: int, index: int) -> int:
        pool.append(struct.pack(">BH", tag, index))
        return len(pool)

    this_class, super_class = entry(7, utf8(name)), entry(7, utf8("java/lang/Object"))
    for text in constants:
        entry(8, utf8(text))
    head = struct.pack(">IHHH", 0xCAFEBABE, 0, 52, len(pool) + 1)
    return head + b"".join(pool) + struct.pack(">HHHHHHH", 0x21, this_class, super_class, 0, 0, 0, 0)


def at(text: str) -> datetime:
    """A moment in UTC from ``YYYY-MM-DD HH:MM:SS``; ZIP keeps even seconds only."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
