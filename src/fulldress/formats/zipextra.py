"""The extra fields of ZIP members: which are known, which say what a member is called. Pure.

A field that no reader is known to use is not harmless by itself, but it is bytes that nobody looked into: it is named.
"""

from __future__ import annotations

import struct
import zlib

from fulldress.errors import PackageRefused
from fulldress.formats.late import late
from fulldress.formats.members import shown
from fulldress.formats.refusal import refusal
from fulldress.formats.zipnames import UTF8

ZIP64, UNICODE_COMMENT, UNICODE_PATH = 0x0001, 0x6375, 0x7075
KNOWN = frozenset(
    (
        *(ZIP64, UNICODE_COMMENT, UNICODE_PATH),
        *(0x0007, 0x0008, 0x0009, 0x000A, 0x000C, 0x000D, 0x000E, 0x000F, 0x0014, 0x0015, 0x0016, 0x0017, 0x0018, 0x0019),
        *(0x0020, 0x0021, 0x0022, 0x0023, 0x0065, 0x0066, 0x07C8, 0x2605, 0x2705, 0x334D, 0x4341, 0x4453, 0x4704, 0x470F),
        *(0x4B46, 0x4C41, 0x4D49, 0x4F4C, 0x5356, 0x5455, 0x554E, 0x5855, 0x6542, 0x6854, 0x7441, 0x756E, 0x7855, 0x7875),
        *(0x9901, 0xA11E, 0xA220, 0xCAFE, 0xD935, 0xFB4A, 0xFD4A),
    )
)
"""Ids of APPNOTE and of tools in wide use: times, owners, alignment (0xA11E, 0xA220, 0xD935), JAR's mark (0xCAFE)."""
_ALIGNS = {0xA11E: 2, 0xA220: 4, 0xD935: 2}
"""Bytes of a field of alignment that mean something; zeros follow."""
MOST_KNOWN = 1024
"""Bytes of a known field beyond which it holds more than it is for."""
_ONCE = (ZIP64, UNICODE_COMMENT, UNICODE_PATH)
_FOREIGN = late(r"[^\x00-\x7f]+")


def disagree(what: str) -> PackageRefused:
    """Two readers would see different things."""
    return refusal("zip-views-disagree", what)


def fields(data: bytes) -> dict[int, bytes]:
    """Extra fields by id. Alignment padding shorter than a header is passed over, as every reader does."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        tag, length = struct.unpack_from("<2H", data, at)
        if at + 4 + length > len(data):
            if any(data[at:]):
                raise disagree("an extra field is longer than its header says")
            break
        if tag in _ONCE and tag in found:
            raise disagree("a member has the same extra field twice: readers differ in which they take")
        found[tag] = data[at + 4 : at + 4 + length]
        at += 4 + length
    return found


def unknown(extras: dict[int, bytes], raw: bytes, comment: bytes | None = None) -> str:
    """The fields with content that nobody is known to read, in words; ``""`` when there is none.

    A Unicode name or comment that speaks of other bytes than ``raw`` and ``comment`` is read by nobody either.
    """
    if not extras:
        return ""
    odd = [f"{tag:04x}" for tag, data in extras.items() if tag not in KNOWN and any(data)]
    odd += [f"{tag:04x}" for tag, data in extras.items() if tag in KNOWN and _holds_more(tag, data)]
    about = {UNICODE_PATH: raw} if comment is None else {UNICODE_PATH: raw, UNICODE_COMMENT: comment}
    odd += [f"{tag:04x}" for tag, text in about.items() if tag in extras and _unicode(extras[tag], text) is None]
    return f"unknown extra field {', '.join(sorted(odd))}" if odd else ""


def name(raw: bytes, flags: int, extras: dict[int, bytes]) -> str:
    """The member's name; a Unicode name in an extra field may only say better what the raw name says.

    Tools that write names in the code page of their time add the name in UTF-8: both must agree in every ASCII letter.
    """
    try:
        found = raw.decode("utf-8" if flags & UTF8 else "cp437")
    except UnicodeDecodeError:
        raise refusal("path-traversal", f"the name {raw[:80]!r} is declared UTF-8 but is not") from None
    better = _unicode(extras.get(UNICODE_PATH, b""), raw)
    if better is None or better == found:
        return found
    if not flags & UTF8 and not raw.isascii() and _skeleton(better) == _skeleton(found):
        return better
    raise disagree(f"{shown(found)!r} has a second name in its extra field")


def _holds_more(tag: int, data: bytes) -> bool:
    if tag in _ALIGNS:
        return any(data[_ALIGNS[tag] :])
    return len(data) > MOST_KNOWN and tag not in _ONCE


def check_comment(comment: bytes, extras: dict[int, bytes]) -> None:
    """Refuse a member whose comment has two wordings."""
    better = _unicode(extras.get(UNICODE_COMMENT, b""), comment)
    if better is not None and comment.isascii() and better != comment.decode("ascii"):
        raise disagree("a member has a second comment in its extra field")


def _unicode(data: bytes, raw: bytes) -> str | None:
    """What an Info-ZIP Unicode field says, if it is about these bytes."""
    if len(data) <= 5 or int.from_bytes(data[1:5], "little") != zlib.crc32(raw):
        return None
    return data[5:].decode("utf-8", "replace")


def _skeleton(name: str) -> str:
    return _FOREIGN.sub("?", name)
