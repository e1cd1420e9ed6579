"""The signing block of an Android package, which stands between a ZIP's members and its directory. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from fulldress.formats.refusal import refusal

MAGIC = b"APK Sig Block 42"
FOOTER = 24
MAX_BLOCK = 64 << 20
_SCHEMES = {
    0x7109871A: "scheme v2",
    0xF05368C0: "scheme v3",
    0x1B93AD61: "scheme v3.1",
    0x42726577: "padding",
    0x6DFF800D: "source stamp",
    0x504B4453: "dependencies",
}


class Block(NamedTuple):
    """Where the block begins, how long it is, and what is in it in words."""

    start: int
    size: int
    said: str


def before(read: Callable[[int, int], bytes], directory: int) -> Block | None:
    """The block that ends at ``directory``, or None. ``read(offset, size)`` reads the file.

    Raises PackageRefused ``zip-views-disagree`` for a block that is malformed: it could hide anything.
    """
    if directory < FOOTER + 8:
        return None
    footer = read(directory - FOOTER, FOOTER)
    if footer[8:] != MAGIC:
        return None
    size = int.from_bytes(footer[:8], "little")
    start = directory - size - 8
    if size < FOOTER or size > MAX_BLOCK or start < 0 or read(start, 8) != footer[:8]:
        raise refusal("zip-views-disagree", "the Android signing block is malformed")
    return Block(start, size + 8, _said(read(start + 8, size - FOOTER)))


def _said(pairs: bytes) -> str:
    at, found = 0, []
    while at < len(pairs):
        if at + 12 > len(pairs):
            raise refusal("zip-views-disagree", "the Android signing block is malformed")
        length, tag = struct.unpack_from("<QL", pairs, at)
        if length < 4 or at + 8 + length > len(pairs):
            raise refusal("zip-views-disagree", "the Android signing block is malformed")
        found.append(_SCHEMES.get(tag, f"unknown part {tag:08x}"))
        at += 8 + length
    return ", ".join(found) or "empty"
