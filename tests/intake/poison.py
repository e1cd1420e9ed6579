"""Archives built by hand, byte by byte: the only way to make the ones that no honest tool makes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import zstandard

from fulldress.formats import cpio
from fulldress.formats.arview import write as write_ar
from fulldress.formats.members import Member

TIME, DATE = 0x6000, 0x5A21


@dataclass
class M:
    """One member; ``local`` and ``central`` overwrite what one of the two views says."""

    name: bytes = b"a.txt"
    data: bytes = b"hello"
    method: int = 0
    flags: int = 0
    attributes: int = (stat.S_IFREG | 0o644) << 16
    extra: bytes = b""
    descriptor: bytes = b""
    gap: bytes = b""
    """Bytes before the local header that belong to nothing."""
    packed: bytes | None = None
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def build(
    *members: M,
    prefix: bytes = b"",
    before_directory: bytes = b"",
    after_directory: bytes = b"",
    comment: bytes = b"",
    tail: bytes = b"",
    zip64: bytes | None = None,
    **end: int,
) -> bytes:
    out = bytearray(prefix)
    directory = bytearray()
    for m in members:
        out += m.gap
        packed = m.packed if m.packed is not None else (deflate(m.data) if m.method == 8 else m.data)
        facts = {
            "flags": m.flags,
            "method": m.method,
            "time": TIME,
            "date": DATE,
            "crc": zlib.crc32(m.data),
            "packed": len(packed),
            "size": len(m.data),
            "name": m.name,
            "extra": m.extra,
            "offset": len(out),
        }
        one = {**facts, **m.local}
        out += struct.pack(
            "<4s5H3L2H",
            *(b"PK\3\4", 20, one["flags"], one["method"], one["time"], one["date"], one["crc"], one["packed"], one["size"]),
            *(len(one["name"]), len(one["extra"])),
        )
        out += one["name"] + one["extra"] + packed + m.descriptor
        two = {**facts, **m.central}
        directory += struct.pack(
            "<4s6H3L5H2L",
            *(
                b"PK\1\2",
                two.get("made", 0x031E),
                two.get("needed", 20),
                two["flags"],
                two["method"],
                two["time"],
                two["date"],
                two["crc"],
                two["packed"],
            ),
            *(two["size"], len(two["name"]), len(two["extra"]), 0, two.get("disk", 0), 0, m.attributes, two["offset"]),
        )
        directory += two["name"] + two["extra"]
    out += before_directory
    start = len(out)
    out += directory + after_directory
    if zip64 is not None:
        out += zip64
    facts = {"disk": 0, "here": len(members), "count": len(members), "size": len(directory), "offset": start, **end}
    out += struct.pack(
        "<4s4H2LH",
        *(b"PK\5\6", facts["disk"], 0, facts["here"], facts["count"], facts["size"], facts["offset"], len(comment)),
    )
    return bytes(out) + comment + tail


def end64(count: int, size: int, offset: int, position: int) -> bytes:
    """A ZIP64 end record and its locator."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    return record + struct.pack("<4sLQL", b"PK\6\7", 0, position, 1)


def link(name: bytes, target: bytes) -> M:
    return M(name=name, data=target, attributes=(stat.S_IFLNK | 0o777) << 16)


def good() -> bytes:
    return build(M(name=b"README.txt", data=b"read me " * 100, method=8), M(name=b"scripts/run.sh", data=b"#!/bin/sh\n"))


def tar(*members: tuple[str, bytes, dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data, facts in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in facts.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data) if data else None)
    return out.getvalue()


def deb(
    control: bytes, data: bytes, *, names: tuple[str, str] = ("control.tar.gz", "data.tar.gz"), version: bytes = b"2.0\n"
) -> bytes:
    parts = [
        ("debian-binary", version),
        (names[0], gzip.compress(control, mtime=0)),
        (names[1], gzip.compress(data, mtime=0)),
    ]
    return b"".join(write_ar([(n, len(d), [d]) for n, d in parts]))


def nested(depth: int) -> bytes:
    data = good()
    for _ in range(depth):
        data = build(M(name=b"inner.zip", data=data, method=8))
    return data


def many(count: int) -> bytes:
    return build(*(M(name=b"f%d" % i, data=b"") for i in range(count)))


def _zips() -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    whole = good()
    for cut in (1, 5, 21, 22, 40, len(whole) // 2, len(whole) - 30):
        yield f"cut-by-{cut}", "zip-truncated", lambda cut=cut: whole[:-cut]
    yield "text", "not-a-zip", lambda: b"this is a letter, not an archive\n" * 9
    yield "program", "not-a-zip", lambda: b"\x7fELF" + b"\1" * 500
    yield "7z", "not-a-zip", lambda: b"7z\xbc\xaf\x27\x1c" + b"\0" * 60
    for label, name in {
        "dots": b"../x",
        "dots-inside": b"a/../../x",
        "absolute": b"/etc/passwd",
        "backslash": b"a\\..\\b",
        "drive": b"C:x",
        "nul": b"a\0b",
        "escape": b"a\x1b[2Jb",
        "newline": b"a\nb",
        "nested-mark": b"a.zip!/b",
        "long": b"n" * 300,
    }.items():
        yield f"name-{label}", "path-traversal", lambda name=name: build(M(name=name))
    yield "name-bidi", "path-traversal", lambda: build(M(name="a\u202egnp.sh".encode(), flags=1 << 11))
    yield "name-not-utf8", "path-traversal", lambda: build(M(name=b"\xff\xfe", flags=1 << 11))
    yield "link-absolute", "symlink-escape", lambda: build(link(b"l", b"/etc/passwd"))
    yield "link-up", "symlink-escape", lambda: build(link(b"d/l", b"../../etc"))
    yield "link-through", "symlink-escape", lambda: build(link(b"d", b"e"), M(name=b"d/f"))
    yield "link-circle", "symlink-escape", lambda: build(link(b"a", b"b"), link(b"b", b"a"))
    yield "link-bent-later", "symlink-escape", lambda: build(link(b"d/e/a", b"b/../.."), link(b"d/e/b", b".."))
    yield "link-empty", "symlink-escape", lambda: build(link(b"l", b""))
    yield "twice", "duplicate-name", lambda: build(M(), M(data=b"other"))
    yield (
        "twice-normalised",
        "duplicate-name",
        lambda: build(M(name="é".encode(), flags=1 << 11), M(name="e\u0301".encode(), flags=1 << 11)),
    )
    yield "twice-dotted", "duplicate-name", lambda: build(M(name=b"a/b"), M(name=b"a/./b"))
    yield "file-and-folder", "duplicate-name", lambda: build(M(name=b"a"), M(name=b"a/b"))
    yield "overlap-same", "overlapping-members", lambda: build(M(), M(name=b"b.txt", central={"offset": 0}))
    yield (
        "overlap-into-next",
        "overlapping-members",
        lambda: build(M(data=b"x" * 9, local={"packed": 40, "size": 40}, central={"packed": 40, "size": 40}), M(name=b"b")),
    )
    yield "encrypted", "encrypted", lambda: build(M(flags=1))
    yield "encrypted-strong", "encrypted", lambda: build(M(flags=1 << 6))
    yield "version-unknown", "unknown-method", lambda: build(M(central={"needed": 99}))
    yield "method-unknown", "unknown-method", lambda: build(M(method=98))
    for key, value in {"name": b"b.txt", "flags": 1 << 11, "method": 8, "size": 4, "crc": 1, "time": 7}.items():
        yield f"views-{key}", "zip-views-disagree", lambda k=key, v=value: build(M(local={k: v}))
    yield "gap", "zip-views-disagree", lambda: build(M(), M(name=b"b", gap=b"hidden bytes"))
    yield "gap-is-a-member", "zip-views-disagree", lambda: build(M(), M(name=b"b", gap=build(M(name=b"ghost"))[:40]))
    yield "gap-before-directory", "zip-views-disagree", lambda: build(M(), before_directory=b"hidden")
    yield "gap-after-directory", "zip-views-disagree", lambda: build(M(), after_directory=b"hidden")
    yield "prefix", "zip-views-disagree", lambda: build(M(), prefix=b"PK#!/bin/sh\n")
    yield "prefix-before-nothing", "zip-views-disagree", lambda: build(prefix=b"PKghost")
    yield "tail", "zip-views-disagree", lambda: build(M(), tail=b"hidden")
    yield "two-archives", "zip-views-disagree", lambda: build(M(name=b"one")) + build(M(name=b"two"))
    yield "end-in-comment", "zip-views-disagree", lambda: build(M(), comment=b"PK\5\6" + b"\0" * 30)
    yield "two-exact-ends", "zip-views-disagree", lambda: build(M(), comment=struct.pack("<4s4H2LH", b"PK\5\6", *(0,) * 7))
    yield "count-low", "zip-views-disagree", lambda: build(M(), M(name=b"b"), count=1, here=1)
    yield "count-twice", "zip-views-disagree", lambda: build(M(), here=2)
    yield "disks", "zip-views-disagree", lambda: build(M(), disk=1)
    yield "disk-of-member", "zip-views-disagree", lambda: build(M(central={"disk": 3}))
    yield "zip64-missing", "zip-views-disagree", lambda: build(M(), offset=0xFFFFFFFF)
    yield "zip64-other-count", "zip-views-disagree", lambda: zip64(count=9)
    yield "zip64-elsewhere", "zip-views-disagree", lambda: zip64(position=0)
    yield "zip64-field-missing", "zip-views-disagree", lambda: build(M(central={"size": 0xFFFFFFFF}))
    yield "second-name", "zip-views-disagree", lambda: build(M(extra=_unicode_path(b"a.txt", b"b.sh")))
    yield "behind-deflate", "zip-views-disagree", lambda: build(M(method=8, packed=deflate(b"hello") + b"ghost"))
    yield "more-than-declared", "zip-views-disagree", lambda: build(M(method=8, packed=deflate(b"hello" * 99)))
    yield "descriptor-lies", "zip-views-disagree", lambda: build(M(flags=8, descriptor=b"PK\7\x08" + b"\0" * 12))
    yield "folder-with-content", "zip-views-disagree", lambda: build(M(name=b"d/", attributes=0x10))
    yield "folder-by-mode", "zip-views-disagree", lambda: build(M(name=b"d", attributes=(stat.S_IFDIR | 0o755) << 16))
    yield "pipe", "special-file", lambda: build(M(attributes=(stat.S_IFIFO | 0o644) << 16))
    yield "device", "special-file", lambda: build(M(attributes=(stat.S_IFBLK | 0o644) << 16))
    yield "checksum", "archive-damaged", lambda: build(M(local={"crc": 1}, central={"crc": 1}))
    yield "deflate-garbage", "archive-damaged", lambda: build(M(method=8, packed=b"\xff" * 30))
    yield "deflate-cut", "archive-damaged", lambda: build(M(method=8, data=b"abc" * 99, packed=deflate(b"abc" * 99)[:-4]))


def zip64(count: int = 1, position: int | None = None) -> bytes:
    plain = build(M())
    directory = plain.index(b"PK\1\2")
    at = plain.index(b"PK\5\6")
    record = end64(count, at - directory, directory, at if position is None else position)
    return build(M(), zip64=record, count=0xFFFF if count == 1 else 1, here=0xFFFF if count == 1 else 1)


def _unicode_path(name: bytes, other: bytes) -> bytes:
    body = b"\1" + struct.pack("<L", zlib.crc32(name)) + other
    return struct.pack("<2H", 0x7075, len(body)) + body


def _others() -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    one = ("a", b"abc", {})
    yield "tar-dots", "path-traversal", lambda: tar(("../a", b"x", {}))
    yield "tar-absolute", "path-traversal", lambda: tar(("/a", b"x", {}))
    yield "tar-device", "special-file", lambda: tar(("d", b"", {"type": tarfile.CHRTYPE}))
    yield "tar-pipe", "special-file", lambda: tar(("d", b"", {"type": tarfile.FIFOTYPE}))
    yield "tar-hardlink", "symlink-escape", lambda: tar(("h", b"", {"type": tarfile.LNKTYPE, "linkname": "etc/passwd"}))
    yield "tar-link", "symlink-escape", lambda: tar(("h", b"", {"type": tarfile.SYMTYPE, "linkname": "../../x"}))
    yield "tar-twice", "duplicate-name", lambda: tar(one, one)
    yield "tar-cut", "zip-truncated", lambda: tar(("a", b"x" * 5000, {}))[:2048]
    yield "tar-no-end", "zip-truncated", lambda: tar(one)[:1024]
    yield "tar-tail", "zip-views-disagree", lambda: tar(one) + b"ghost"
    yield "tar-bad-header", "archive-damaged", lambda: tar(one)[:1024] + b"x" * 512 + b"\0" * 1024
    yield "tar-sparse-lies", "zip-views-disagree", lambda: tar(("s", b"abc", {"type": tarfile.GNUTYPE_SPARSE}))
    yield "gz-tail", "zip-views-disagree", lambda: gzip.compress(b"abc" * 99) + b"ghost"
    yield "gz-cut", "zip-truncated", lambda: gzip.compress(b"abc" * 99)[:-9]
    yield "gz-checksum", "archive-damaged", lambda: gzip.compress(b"abc" * 99)[:-8] + b"12345678"
    yield "xz-cut", "zip-truncated", lambda: lzma.compress(b"abc" * 99)[:-9]
    yield "bz2-cut", "zip-truncated", lambda: bz2.compress(b"abc" * 99)[:-9]
    yield "zst-cut", "zip-truncated", lambda: zstandard.compress(b"abc" * 99)[:-2]
    yield "zst-tail", "zip-views-disagree", lambda: zstandard.compress(b"abc" * 99) + b"ghost bytes"
    yield "zst-window", "archive-bomb", lambda: b"\x28\xb5\x2f\xfd\x00\xa0\x09\0\0x"
    yield "tar-link-no-text", "symlink-escape", lambda: tar(("h", b"", {"type": tarfile.SYMTYPE, "linkname": "a\x07b"}))
    yield "deb-two-controls", "duplicate-name", lambda: deb(tar(), tar(one), names=("data.tar.gz", "data.tar.gz"))
    yield "deb-order", "archive-damaged", lambda: deb(tar(), tar(one), names=("data.tar.gz", "control.tar.gz"))
    yield "deb-version", "archive-damaged", lambda: deb(tar(), tar(one), version=b"9.9\n")
    yield "deb-cut", "zip-truncated", lambda: deb(tar(), tar(one))[:-40]
    yield "deb-dots", "path-traversal", lambda: deb(tar(), tar(("../../etc/cron.d/x", b"x", {})))
    yield "deb-control-absolute", "path-traversal", lambda: deb(tar(("/postinst", b"x", {})), tar(one))
    yield "nested-dots", "path-traversal", lambda: build(M(name=b"in.zip", data=build(M(name=b"../x"))))
    yield (
        "nested-tgz-link",
        "symlink-escape",
        lambda: build(M(name=b"in.tgz", data=gzip.compress(tar(("l", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc"}))))),
    )
    yield "nested-encrypted", "encrypted", lambda: build(M(name=b"in.jar", data=build(M(flags=1))))
    yield "deep", "archive-bomb", lambda: nested(8)


def newc(**files: bytes) -> bytes:
    """A cpio archive; ``__`` in a name stands for a slash."""
    named = {name.replace("__", "/"): data for name, data in files.items()}
    return b"".join(
        cpio.write(Member(name=n, kind="file", size=len(d), chunks=lambda d=d: iter((d,))) for n, d in named.items())  # type: ignore[misc]
    )


def signing_block(pairs: bytes = struct.pack("<QL", 12, 0x7109871A) + b"v2 block") -> bytes:
    """Android's block, as it stands between members and directory."""
    size = struct.pack("<Q", len(pairs) + 24)
    return size + pairs + size + b"APK Sig Block 42"


def packed_by(method: int, data: bytes = b"some text " * 300) -> M:
    """A member packed by bzip2 (12), LZMA (14), Zstandard (93) or xz (95)."""
    packers: dict[int, Callable[[bytes], bytes]] = {
        12: bz2.compress,
        14: lambda d: b"\x09\x04\x05\0\x5d\0\0\x10\0" + _lzma_raw(d),
        93: zstandard.compress,
        95: lzma.compress,
    }
    return M(data=data, method=method, packed=packers[method](data))


def _lzma_raw(data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20}])


def _newer() -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    one = newc(a=b"abc")
    yield "cpio-dots", "path-traversal", lambda: newc(**{"..__a": b"x"})
    yield "cpio-absolute", "path-traversal", lambda: newc(__etc__passwd=b"x")
    yield "cpio-twice", "duplicate-name", lambda: one[:-124] + one
    yield "cpio-cut", "zip-truncated", lambda: one[:120]
    yield "cpio-no-trailer", "zip-truncated", lambda: one[:-124]
    yield "cpio-tail", "zip-views-disagree", lambda: one + b"ghost"
    yield "cpio-padding", "zip-views-disagree", lambda: one.replace(b"abc\0", b"abcX")
    yield "cpio-device", "special-file", lambda: one.replace(b"000081a4", b"000061a4")
    yield "cpio-number", "archive-damaged", lambda: one[:64] + b"?" + one[65:]
    yield "cpio-checksum", "archive-damaged", lambda: one.replace(b"070701", b"070702", 1)
    yield "cpio-name-unended", "archive-damaged", lambda: one.replace(b"a\0abc", b"aXabc")
    yield (
        "cpio-link-up",
        "symlink-escape",
        lambda: b"".join(cpio.write([Member(name="l", kind="symlink", link="../../etc")])),
    )
    yield "block-malformed", "zip-views-disagree", lambda: build(M(), before_directory=signing_block(b"\xff" * 20))
    yield "block-size", "zip-views-disagree", lambda: build(M(), before_directory=b"x" + signing_block())
    yield "stub-undeclared", "not-a-zip", lambda: b"MZ" + b"\0" * 900
    yield "stub-before-zip", "zip-views-disagree", lambda: b"#!/bin/sh\nexit\n" + build(M())
    yield "bzip2-tail", "zip-views-disagree", lambda: build(_longer(packed_by(12)))
    yield "lzma-tail", "zip-views-disagree", lambda: build(_longer(packed_by(14)))
    yield "zstd-tail", "zip-views-disagree", lambda: build(_longer(packed_by(93)))
    yield "xz-tail", "zip-views-disagree", lambda: build(_longer(packed_by(95)))
    yield "zstd-cut", "archive-damaged", lambda: build(_shorter(packed_by(93)))
    yield "xz-cut", "archive-damaged", lambda: build(_shorter(packed_by(95)))
    yield "bzip2-garbage", "archive-damaged", lambda: build(M(method=12, packed=b"BZh9garbage"))
    yield "lzma-memory", "archive-bomb", lambda: build(M(method=14, packed=b"\x09\x04\x05\0\x5d\xff\xff\xff\x7fxx"))
    yield "lzma-header", "archive-damaged", lambda: build(M(method=14, packed=b"\x09\x04\x07\0\xffabcdefgh"))
    yield "xz-memory", "archive-damaged", lambda: build(M(method=95, packed=b"\xfd7zXZ\0" + bytes(40)))
    yield "comment-twice", "zip-views-disagree", lambda: build(M(extra=2 * _field(0x6375, b"\1aaaab")))
    yield (
        "name-twice-foreign",
        "zip-views-disagree",
        lambda: build(M(name=b"a\x82b", extra=_unicode_path(b"a\x82b", "aéc".encode()))),
    )
    yield "rpm-in-a-zip", "archive-damaged", lambda: build(M(name=b"x.rpm", data=b"\xed\xab\xee\xdb\3\0" + bytes(200)))
    yield "apk-alpine-dots", "path-traversal", lambda: gzip.compress(tar((".PKGINFO", b"x", {}), ("../x", b"y", {})))


def _longer(member: M) -> M:
    member.packed = (member.packed or b"") + b"ghost bytes behind"
    return member


def _shorter(member: M) -> M:
    member.packed = (member.packed or b"")[:-6]
    return member


def _field(tag: int, body: bytes) -> bytes:
    return struct.pack("<2H", tag, len(body)) + body


def _ambiguous() -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """Neighbours of what is accepted with a remark (see ``ODD``): one step further, and readers differ."""
    yield "padding-too-long", "zip-views-disagree", lambda: good() + bytes((1 << 16) + 1)
    yield "padding-of-blanks-too-long", "zip-views-disagree", lambda: good() + b"\n" * 17
    yield "padding-with-content", "zip-views-disagree", lambda: good() + bytes(900) + b"x" + bytes(90)
    yield "padding-behind-two-ends", "zip-views-disagree", lambda: build(M(), comment=_EMPTY_END) + bytes(99)
    yield (
        "padding-that-a-comment-covers",
        "zip-views-disagree",
        lambda: build(M(), comment=_EMPTY_END[:-2] + b"\5\0" + bytes(3)),
    )
    yield "padding-between-archives", "zip-views-disagree", lambda: build(M()) + bytes(99) + build(M(name=b"b")) + bytes(99)
    yield "backslash-on-unix", "path-traversal", lambda: build(M(name=b"a\\b"))
    yield "backslash-beside-slash", "path-traversal", lambda: build(fat(b"a\\b/c"))
    yield "backslash-climbs", "path-traversal", lambda: build(fat(b"a\\..\\..\\b"))
    yield "backslash-absolute", "path-traversal", lambda: build(fat(b"\\etc\\passwd"))
    yield "backslash-drive", "path-traversal", lambda: build(fat(b"C:\\windows\\x"))
    yield "backslash-collides", "duplicate-name", lambda: build(fat(b"a\\b"), fat(b"a/b"))
    yield "backslash-file-and-folder", "duplicate-name", lambda: build(fat(b"a"), fat(b"a\\b"))
    yield "half-a-letter-climbs", "path-traversal", lambda: build(M(name=b"\x95\\..\\x"))
    yield "half-a-letter-collides", "path-traversal", lambda: build(M(name=b"\x95\\b"), M(name=b"\x95/b"))
    yield "name-not-utf8-twice", "duplicate-name", lambda: tar(("caf\udce9", b"x", {}), ("caf\\xe9", b"y", {}))
    yield "name-not-utf8-escaped-already", "path-traversal", lambda: tar(("\\xe9caf\udce9", b"x", {}))
    yield "name-not-utf8-climbs", "path-traversal", lambda: tar(("caf\udce9/../../x", b"x", {}))
    yield "listing-renames", "archive-damaged", lambda: tar(("d/", b"Ra\0Tb\0\0", {"type": b"D"}))
    yield "listing-is-none", "archive-damaged", lambda: tar(("d/", b"hidden bytes", {"type": b"D"}))
    yield "label-with-content", "unknown-method", lambda: tar(("l", b"hidden", {"type": b"V"}), ("a", b"x", {}))
    yield "second-volume", "unknown-method", lambda: tar(("a", b"rest", {"type": b"M"}))


_EMPTY_END = struct.pack("<4s4H2LH", b"PK\5\6", *(0,) * 7)


def fat(name: bytes, data: bytes = b"hello") -> M:
    """A member as DOS and Windows write it."""
    return M(name=name, data=data, attributes=0, central={"made": 20})


ODD: list[tuple[str, Callable[[], bytes], set[str], str]] = [
    ("zip-padded-with-zeros", lambda: good() + bytes(9000), {"README.txt", "scripts/run.sh"}, "padding"),
    ("zip-padded-with-most-zeros", lambda: good() + bytes(1 << 16), {"README.txt", "scripts/run.sh"}, "padding"),
    ("zip-with-comment-padded", lambda: build(M(), comment=b"fine") + bytes(512), {"a.txt"}, "padding"),
    ("zip-with-a-line-end", lambda: good() + b"\r\n", {"README.txt", "scripts/run.sh"}, "padding"),
    ("zip-with-a-dos-end", lambda: good() + b"\x1a", {"README.txt", "scripts/run.sh"}, "padding"),
    ("zip64-padded", lambda: zip64() + bytes(700), {"a.txt"}, "padding"),
    (
        "backslashes",
        lambda: build(fat(b"d\\", b""), fat(b"d\\e\\f.txt"), fat(b"g.txt")),
        {"d/e/f.txt", "g.txt"},
        "backslashes",
    ),
    ("utf8-without-the-mark", lambda: build(M(name="é/ü.txt".encode())), {"é/ü.txt"}, "read as UTF-8"),
    ("code-page-437", lambda: build(fat(b"caf\x82.txt")), {"café.txt"}, "read as code page 437"),
    ("shift-jis", lambda: build(fat("表/日本.txt".encode("cp932"))), {"表/日本.txt"}, "read as Shift JIS"),
    ("latin-1-in-a-tar", lambda: tar(("d\udcff/caf\udce9.txt", b"x", {})), {"d\\xff/caf\\xe9.txt"}, "no UTF-8"),
    ("latin-1-in-a-deb", lambda: deb(tar(), tar(("./caf\udce9", b"x", {}))), {"caf\\xe9"}, "no UTF-8"),
    ("latin-1-in-a-cpio", lambda: newc(**{"caf\udce9": b"x"}), {"caf\\xe9"}, "no UTF-8"),
    ("volume-label", lambda: tar(("backup", b"", {"type": b"V"}), ("a", b"x", {})), {"a"}, "volume label"),
    (
        "incremental",
        lambda: tar(("d/", b"Ya\0Nb\0De\0\0", {"type": b"D"}), ("d/a", b"x", {})),
        {"d/a"},
        "incremental backup",
    ),
    (
        "self-extractor",
        lambda: b'#!/bin/sh\ntail -n +4 "$0" | tar xz\nexit 0\n' + gzip.compress(tar(("a", b"x", {})), mtime=0),
        {"self-extracting-script", "payload.gz!/a"},
        "shell script",
    ),
    ("systemd-escapes", lambda: build(M(name=b"u/dev-a\\x2db.swap")), {"u/dev-a\\x2db.swap"}, ""),
]
"""Unusual and honest: label, maker, the files in it, a word of the remark (none where nothing is unusual)."""

POISON = [*_zips(), *_others(), *_newer(), *_ambiguous()]


def stdlib_zip(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()
