"""RPM packages built by hand, so that tests can lie in any field. Real ones come from rpmbuild, where it is installed."""

from __future__ import annotations

import gzip
import hashlib
import stat
import struct
from collections.abc import Callable, Mapping

from fulldress.formats import cpio
from fulldress.formats.members import Member

Value = bytes | str | list[str] | list[int]
FILES = {"etc/demo.conf": b"a=1\n", "opt/demo/run": b"#!/bin/sh\necho hi\n"}


def header(tags: Mapping[int, Value], *, widths: Mapping[int, int] | None = None) -> bytes:
    """One header structure; integers are 32 bits wide unless ``widths`` says 2."""
    index, store = b"", b""
    for tag, value in sorted(tags.items()):
        kind, data, count = _packed(value, (widths or {}).get(tag, 4))
        store += bytes(-len(store) % 8)
        index += struct.pack(">4L", tag, kind, len(store), count)
        store += data
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">2L", len(tags), len(store)) + index + store


def _packed(value: Value, width: int) -> tuple[int, bytes, int]:
    if isinstance(value, bytes):
        return 7, value, len(value)
    if isinstance(value, str):
        return 6, value.encode() + b"\0", 1
    if value and isinstance(value[0], str):
        return 8, b"".join(str(v).encode() + b"\0" for v in value), len(value)
    return (3 if width == 2 else 4), b"".join(int(v).to_bytes(width, "big") for v in value), len(value)


def rpm(
    files: Mapping[str, bytes] | None = None,
    *,
    payload: Callable[[bytes], bytes] = lambda data: data,
    pack: Callable[[bytes], bytes] = lambda data: gzip.compress(data, mtime=0),
    tags: Mapping[int, Value] | None = None,
    signature: Mapping[int, Value] | None = None,
    sign: Callable[[bytes], bytes] | None = None,
    lead: bytes = b"\xed\xab\xee\xdb\x03\0" + bytes(90),
    tail: bytes = b"",
) -> bytes:
    """A package; ``payload`` changes the cpio archive, ``tags`` the header, ``signature`` the signature header."""
    files = FILES if files is None else files
    members = [Member(name=f"./{n}", kind="file", size=len(d), chunks=lambda d=d: iter((d,))) for n, d in files.items()]  # type: ignore[misc]
    packed = pack(payload(b"".join(cpio.write(members))))
    folders = sorted({f"/{n.rpartition('/')[0]}/" for n in files})
    main: dict[int, Value] = {
        1000: "demo",
        1001: "1.2",
        1002: "3",
        1006: [1_700_000_000],
        1022: "noarch",
        1024: "systemctl daemon-reload",
        1086: "/bin/sh",
        1023: 'print("x")',
        1085: "<lua>",
        1028: [len(d) for d in files.values()],
        1030: [stat.S_IFREG | 0o644 for _ in files],
        1035: [hashlib.sha256(d).hexdigest() for d in files.values()],
        1037: [0 for _ in files],
        1039: ["root" for _ in files],
        1040: ["root" for _ in files],
        1116: [folders.index(f"/{n.rpartition('/')[0]}/") for n in files],
        1117: [n.rpartition("/")[2] for n in files],
        1118: folders,
        1047: ["demo"],
        1112: [8],
        1113: ["1.2-3"],
        1124: "cpio",
        1125: "gzip",
        5011: [8],
        5092: [hashlib.sha256(packed).hexdigest()],
        5093: [8],
        **(tags or {}),
    }
    raw = header(main, widths={1030: 2})
    outer: dict[int, Value] = {
        273: hashlib.sha256(raw).hexdigest(),
        1000: [len(raw) + len(packed)],
        1004: hashlib.md5(raw + packed, usedforsecurity=False).digest(),
        **({268: sign(raw)} if sign else {}),
        **(signature or {}),
    }
    first = header(outer)
    return lead + first + bytes(-len(first) % 8) + raw + packed + tail
