"""Packages of RPM, as small as a reader accepts them: a header, scripts of ``RPM/postin`` and the like, and a payload."""

from __future__ import annotations

import gzip
import hashlib
import stat
import struct
from collections.abc import Mapping

from fulldress.formats import cpio
from fulldress.formats.members import Member

SCRIPTS = {"RPM/prein": 1023, "RPM/postin": 1024, "RPM/preun": 1025, "RPM/postun": 1026}
SHELLS = {1023: 1085, 1024: 1086, 1025: 1087, 1026: 1088}
Value = bytes | str | list[str] | list[int]


def rpm(name: str, files: Mapping[str, bytes]) -> bytes:
    """A package ``name-version-release.arch.rpm``; what lies under ``RPM/`` is a script of its header."""
    product, version, release = name.rpartition("/")[2].rpartition(".rpm")[0].rsplit("-", 2)
    rest = {p: d for p, d in files.items() if p not in SCRIPTS}
    members = [Member(name=f"./{n}", kind="file", size=len(d), chunks=lambda d=d: iter((d,))) for n, d in rest.items()]  # type: ignore[misc]
    packed = gzip.compress(b"".join(cpio.write(members)), mtime=0)
    main = _facts(product, version, release, rest) | _listed(rest) | _digests(packed)
    for place, tag in SCRIPTS.items():
        if place in files:
            main |= {tag: files[place].decode().partition("\n")[2], SHELLS[tag]: "/bin/sh"}
    raw = _header(main)
    outer = _header({273: hashlib.sha256(raw).hexdigest(), 1000: [len(raw) + len(packed)]})
    return b"\xed\xab\xee\xdb\x03\0" + bytes(90) + outer + bytes(-len(outer) % 8) + raw + packed


def _facts(name: str, version: str, release: str, files: Mapping[str, bytes]) -> dict[int, Value]:
    return {
        1000: name, 1001: version, 1002: release.partition(".")[0], 1006: [1_790_000_000], 1022: release.partition(".")[2],
        1028: [len(d) for d in files.values()], 1047: [name], 1112: [8], 1113: [version], 1124: "cpio", 1125: "gzip",
    }  # fmt: skip


def _listed(files: Mapping[str, bytes]) -> dict[int, Value]:
    folders = sorted({f"/{n.rpartition('/')[0]}/" for n in files})
    return {
        1030: [stat.S_IFREG | 0o644 for _ in files],
        1035: [hashlib.sha256(d).hexdigest() for d in files.values()],
        1037: [0 for _ in files],
        1039: ["root" for _ in files],
        1040: ["root" for _ in files],
        1116: [folders.index(f"/{n.rpartition('/')[0]}/") for n in files],
        1117: [n.rpartition("/")[2] for n in files],
        1118: list(folders),
        5011: [8],
    }


def _digests(packed: bytes) -> dict[int, Value]:
    return {5092: [hashlib.sha256(packed).hexdigest()], 5093: [8]}


def _header(tags: Mapping[int, Value]) -> bytes:
    index, store = b"", b""
    for tag, value in sorted(tags.items()):
        kind, data, count = _packed(value, 2 if tag == 1030 else 4)
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
