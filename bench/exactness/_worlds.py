"""Makes vendor packages out of one text: as ``_unseen`` does, with RPM and deb inside, and comments of more languages.

A mark that stands alone in a comment is no line of the file, whatever the comment looks like.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import struct
from collections.abc import Mapping
from pathlib import Path

from exactness._unseen import MADE, MARK, Truth, Unseen, _mark, _object, _token
from exactness._vendors import WHEN, _tar, _zip, by_archive
from fulldress.formats import cpio
from fulldress.formats.members import Member

MATERIAL = Path(__file__).parent.parent / "material"
ALONE = frozenset(("", "#", "//", "--", "rem", "<!-- -->"))


def package(folder: str, name: str, end: str) -> Unseen:
    """The package ``name`` of ``material/folder``, and what is known of it."""
    files: dict[str, bytes] = {}
    truth: list[Truth] = []
    chance = random.Random(name)
    text = (MATERIAL / folder / f"{name}.txt").read_text(encoding="utf-8")
    for part in re.split(r"^=== ", text, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        place = MARK.sub("", head)
        truth += [_mark(found, place, 0) for found in MARK.finditer(head)]
        kept: list[str] = []
        for line in body.splitlines():
            bare = MARK.sub("", line)
            alone = bare != line and bare.strip() in ALONE
            for found in MARK.finditer(line):
                told = _mark(found, place, len(kept) + 1)
                truth.append(told._replace(last=len(kept)) if alone else told)
            if not alone:
                kept.append(MADE.sub(lambda m: _token(chance, m[1]), bare))
        files[place] = ("\n".join(kept) + "\n").encode()
    made = {place: _object(data, place, files) for place, data in files.items()}
    return Unseen(name, end, _packed(name + end, made), tuple(truth))


def _packed(name: str, files: Mapping[str, bytes]) -> bytes:
    flat, nested = by_archive(files)
    flat |= {outer: _packed(outer, members) for outer, members in nested.items()}
    if name.endswith((".zip", ".war", ".jar", ".nupkg", ".mbz")):
        return _zip(flat)
    if name.endswith(".deb"):
        return _deb(flat)
    if name.endswith(".rpm"):
        return _rpm(flat)
    return gzip.compress(_tar(flat), mtime=0)


def _deb(files: Mapping[str, bytes]) -> bytes:
    control = {p.removeprefix("DEBIAN/"): d for p, d in files.items() if p.startswith("DEBIAN/")}
    rest = {p: d for p, d in files.items() if not p.startswith("DEBIAN/")}
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(_tar(control, "./"), mtime=0),
        "data.tar.gz": gzip.compress(_tar(rest, "./"), mtime=0),
    }
    out = b"!<arch>\n"
    for name, data in parts.items():
        out += f"{name:<16}{int(WHEN.timestamp()):<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


SCRIPTS = {"prein": (1023, 1085), "postin": (1024, 1086), "preun": (1025, 1087), "postun": (1026, 1088)}
Value = str | list[str] | list[int] | bytes


def _rpm(files: Mapping[str, bytes]) -> bytes:
    """An RPM whose header tells the truth about its payload."""
    rest = {p: d for p, d in files.items() if not p.startswith("RPM/")}
    mode = {p: 0o755 if d.startswith(b"#!") else 0o644 for p, d in rest.items()}
    folders = sorted({f"/{p.rpartition('/')[0]}/" for p in rest})
    members = [Member(f"./{p}", "file", len(d), mode[p], chunks=lambda d=d: iter((d,))) for p, d in rest.items()]  # type: ignore[misc]
    payload = gzip.compress(b"".join(cpio.write(members)), mtime=0)
    tags: dict[int, Value] = {
        1000: "netbill-radius", 1001: "8.3.0", 1002: "1", 1006: [int(WHEN.timestamp())], 1022: "noarch",
        1028: [len(d) for d in rest.values()],
        1030: [0o100000 | m for m in mode.values()],
        1035: [hashlib.sha256(d).hexdigest() for d in rest.values()],
        1037: [0 for _ in rest], 1039: ["root" for _ in rest], 1040: ["root" for _ in rest],
        1116: [folders.index(f"/{p.rpartition('/')[0]}/") for p in rest],
        1117: [p.rpartition("/")[2] for p in rest], 1118: folders,
        1047: ["netbill-radius"], 1112: [8], 1113: ["8.3.0-1"], 1124: "cpio", 1125: "gzip",
        5011: [8], 5092: [hashlib.sha256(payload).hexdigest()], 5093: [8],
    }  # fmt: skip
    for name, (tag, program) in SCRIPTS.items():
        if body := files.get(f"RPM/{name}"):
            tags |= {tag: body.decode().rstrip("\n"), program: "/bin/sh"}
    main = _header(tags)
    sizes: list[int] = [len(main) + len(payload)]
    first = _header(
        {
            273: hashlib.sha256(main).hexdigest(),
            1000: sizes,
            1004: hashlib.md5(main + payload, usedforsecurity=False).digest(),
        }
    )
    return b"\xed\xab\xee\xdb\x03\0" + bytes(90) + first + bytes(-len(first) % 8) + main + payload


def _header(tags: Mapping[int, Value]) -> bytes:
    index, store = b"", b""
    for tag, value in sorted(tags.items()):
        kind, data, count = _value(value, 2 if tag == 1030 else 4)
        store += bytes(-len(store) % 8)
        index += struct.pack(">4L", tag, kind, len(store), count)
        store += data
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">2L", len(tags), len(store)) + index + store


def _value(value: Value, width: int) -> tuple[int, bytes, int]:
    if isinstance(value, bytes):
        return 7, value, len(value)
    if isinstance(value, str):
        return 6, value.encode() + b"\0", 1
    if isinstance(value[0], str):
        return 8, b"".join(str(v).encode() + b"\0" for v in value), len(value)
    return (3 if width == 2 else 4), b"".join(int(v).to_bytes(width, "big") for v in value), len(value)
