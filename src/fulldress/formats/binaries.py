"""Texts inside binaries, in the order and company that the format gives them: Java classes, compiled Python, SQLite, ELF.

Pure, bounded, and never loads anything: a stranger's bytes are read as data. What does not fit ends the reading early.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from fulldress.formats.late import late

MAX_TEXTS = 20_000
MAX_LENGTH = 4096


class Group(NamedTuple):
    """Texts that belong together: a class, a code object, a row."""

    names: tuple[str, ...]
    """Identifiers, columns, keys."""
    texts: tuple[str, ...]
    """Literals and values, in order."""


class Class(NamedTuple):
    """What a Java class holds."""

    constants: tuple[tuple[str, str], ...]
    """(field, value) of its string constants: ``static final String PASSWORD = "..."``."""
    group: Group | None
    """The names and literals of its constant pool; None when it cannot be read."""


def of_class(data: bytes, *, names: bool = True) -> Class:
    """Constants, names and literals of a Java class.

    ``names`` False: without the names; where there are no literals, only the texts that hold a colon or an equals sign.
    """
    try:
        magic, count = struct.unpack_from(">I4xH", data)
        pool = _read_pool(data, count) if magic == 0xCAFEBABE and count < 65_535 else None
    except (struct.error, IndexError):
        pool = None
    if pool is None:
        return Class((), None)
    values = tuple([pool.text(n) for n in pool.literals.values() if n in pool.places])
    texts = tuple(map(pool.text, pool.places)) if names else ()
    constants = tuple(_constants(data, pool)) if b"ConstantValue" in data else ()
    return Class(constants, Group(texts, values or (texts if names else pool.assigning())))


_SIGN = late(rb"[:=]")


class _Pool(NamedTuple):
    data: bytes
    places: dict[int, int]
    """Index of a text -> where it stands: most are never asked for."""
    literals: dict[int, int]
    """Index of a string constant -> index of its text."""
    end: int

    def text(self, index: int) -> str:
        """A text of the pool that is there."""
        data, at = self.data, self.places[index]
        return data[at + 3 : at + 3 + (data[at + 1] << 8 | data[at + 2])].decode("utf-8", "replace")

    def assigning(self) -> tuple[str, ...]:
        """The texts with a colon or an equals sign, which are few."""
        starts = list(self.places.values())
        found = dict.fromkeys(bisect_right(starts, sign.start()) - 1 for sign in _SIGN.finditer(self.data, 10, self.end))
        indexes = list(self.places) if found else []
        texts = (self.text(indexes[number]) for number in found if number >= 0)
        return tuple([text for text in texts if ":" in text or "=" in text])

    def get(self, index: int) -> str | None:
        """A text of the pool, or None."""
        return self.text(index) if index in self.places else None


def _constants(data: bytes, pool: _Pool) -> Iterator[tuple[str, str]]:
    """Those that stand before the first that cannot be read."""
    with suppress(struct.error, IndexError):
        yield from _fields(data, pool)


def _fields(data: bytes, pool: _Pool) -> Iterator[tuple[str, str]]:
    (interfaces,) = struct.unpack_from(">H", data, pool.end + 6)
    at = pool.end + 8 + 2 * interfaces
    (fields,) = struct.unpack_from(">H", data, at)
    at += 2
    for _ in range(fields):
        name, attributes = struct.unpack_from(">2xH2xH", data, at)
        at += 8
        for _ in range(attributes):
            kind, length = struct.unpack_from(">HI", data, at)
            if length == 2 and pool.get(kind) == "ConstantValue":
                value = pool.get(pool.literals.get(struct.unpack_from(">H", data, at + 6)[0], 0))
                if value is not None and name in pool.places:
                    yield pool.text(name), value
            at += 6 + length


_LENGTH = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_WIDTH = tuple(1 + _LENGTH[tag] if tag in _LENGTH else 0 for tag in range(256))
"""By the first byte of a constant, its bytes in all; 0 for what is none, and for texts."""


def _read_pool(data: bytes, count: int) -> _Pool | None:
    places: dict[int, int] = {}
    literals: dict[int, int] = {}
    at, index = 10, 1
    while index < count:
        tag = data[at]
        if tag == 1:
            places[index] = at
            at += 3 + (data[at + 1] << 8 | data[at + 2])
        elif width := _WIDTH[tag]:
            if tag == 8:
                literals[index] = data[at + 1] << 8 | data[at + 2]
            elif tag in (5, 6):
                index += 1
            at += width
        else:
            return None
        index += 1
    return _Pool(data, places, literals, at)


_STRINGS = {0x75: 4, 0x74: 4, 0x61: 4, 0x41: 4, 0x7A: 1, 0x5A: 1}
"""marshal's types of texts -> width of their length: unicode, interned, ASCII, short ASCII."""
_STRING = late(b"[" + b"".join(rb"\x%02x\x%02x" % (kind, kind | 0x80) for kind in _STRINGS) + b"]")
_PYTHON_TEXT = late(rb"[\x20-\x7e]{3,}")


def of_pyc(data: bytes) -> Group | None:
    """The strings of compiled Python, by marshal's own lengths, constants and names alike."""
    texts: list[str] = []
    at = 16
    while len(texts) < MAX_TEXTS and (mark := _STRING.search(data, at)) is not None:
        start = mark.end() + _STRINGS[mark[0][0] & 0x7F]
        length = int.from_bytes(data[mark.end() : start], "little")
        end = start + length
        if 3 <= length <= MAX_LENGTH and end <= len(data) and _PYTHON_TEXT.fullmatch(data, start, end):
            texts.append(data[start:end].decode("ascii"))
            at = end
        else:
            at = mark.end()
    return Group(tuple(texts), tuple(texts)) if texts else None


def of_sqlite(data: bytes, most: int = 20_000) -> Iterator[Group]:
    """The rows of every table leaf page of an SQLite database, as texts; the schema's own rows among them."""
    size = int.from_bytes(data[16:18], "big")
    size = 65_536 if size == 1 else size
    if not data.startswith(b"SQLite format 3\0") or size < 512 or size & (size - 1):
        return
    for number, start in enumerate(range(0, len(data) - size + 1, size)):
        head = start + (100 if number == 0 else 0)
        if data[head] != 0x0D:
            continue
        cells = int.from_bytes(data[head + 3 : head + 5], "big")
        for index in range(min(cells, size // 4)):
            pointer = start + int.from_bytes(data[head + 8 + 2 * index : head + 10 + 2 * index], "big")
            row = _row(data, pointer, start + size)
            if row:
                yield Group((), row)
                most -= 1
                if most <= 0:
                    return


def _row(data: bytes, at: int, end: int) -> tuple[str, ...]:
    """The text columns of one cell that lies in the page as a whole (or its beginning)."""
    _payload, at = _varint(data, at)
    _rowid, at = _varint(data, at)
    begin = at
    length, at = _varint(data, at)
    if not 1 <= length <= 2000 or begin + length > end:
        return ()
    kinds = []
    while at < begin + length:
        kind, at = _varint(data, at)
        kinds.append(kind)
    texts = []
    for kind in kinds:
        width = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}.get(kind, max(0, kind - 12) // 2)
        if kind >= 13 and kind % 2:
            texts.append(data[at : min(at + width, end, at + MAX_LENGTH)].decode("utf-8", "replace"))
        at += width
    return tuple(texts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for count in range(9):
        if at >= len(data):
            return 0, at
        byte = data[at]
        at += 1
        if count == 8:
            return (value << 8) | byte, at
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            break
    return value, at


def section(data: bytes, offset: int) -> str:
    """The ELF section (64-bit, little-endian) that holds an offset, or ``""``."""
    try:
        if data[:6] != b"\x7fELF\x02\x01":
            return ""
        (table,) = struct.unpack_from("<Q", data, 40)
        width, count, names = struct.unpack_from("<HHH", data, 58)
        (at,) = struct.unpack_from("<Q", data, table + names * width + 24)
        for index in range(count):
            name, _kind, _flags, _address, start, size = struct.unpack_from("<IIQQQQ", data, table + index * width)
            if start <= offset < start + size and _kind != 8:
                return data[at + name : data.index(b"\0", at + name)].decode("ascii", "replace")
    except (struct.error, ValueError):
        pass
    return ""


def printable(data: bytes, offset: int, reach: int = 400) -> str:
    """The run of printable characters around an offset."""
    start = offset
    while start > max(0, offset - reach) and 0x20 <= data[start - 1] < 0x7F:
        start -= 1
    end = offset
    while end < min(len(data), offset + reach) and 0x20 <= data[end] < 0x7F:
        end += 1
    return data[start:end].decode("ascii", "replace")
