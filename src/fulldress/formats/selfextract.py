"""Shell scripts with an archive behind them (makeself and its like), and the names of installers that stay closed. Pure.

Nothing is run. Where the archive begins is computed as the script computes it: by a number of lines or by a line of its own.
It is opened only if that adds up: text before, a known archive there, and with makeself the recorded sizes to the last byte.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import BinaryIO

from fulldress.formats import sniff
from fulldress.formats.late import late
from fulldress.formats.members import Member, about_archive

KIND = "run"
SCRIPT, PAYLOAD = "self-extracting-script", "payload"
MAX_HEAD = 1 << 18
"""Bytes of script that may stand before the archive; makeself's own has about 20 KiB."""
MAX_PARTS = 64
CHUNK = 1 << 20
REMARK = "a shell script with an archive behind it, which begins where the script itself computes it"
UNKNOWN = (
    "a shell script with something behind it that it does not plainly say how to find: unpack it without running it "
    "(--noexec --target DIR, where it knows that), pack the folder and scan that"
)
_SHELL = late(rb"#![^\n]{0,200}sh\b")
_SKIP = late(rb'^(?:skip="?(\d{1,6})"?|offset=`head -n "?(\d{1,6})"? "\$0" \| wc -c)', re.MULTILINE)
_SIZES = late(rb'^filesizes="([\d ]{1,800})"', re.MULTILINE)
_TAIL = late(rb"\btail\s+(?:-n\s*|--lines=)?\+(\d{1,6})\b")
_MARK = late(rb"/\^([A-Za-z0-9_:#=-]{4,60})\$?/|\^([A-Za-z0-9_:#=-]{4,60})\$?[\"']")
_INSTALLERS: tuple[tuple[bytes, str], ...] = (
    (b"\xef\xbe\xad\xdeNullsoftInst", "NSIS installer (7z x opens it)"),
    (b"7z\xbc\xaf\x27\x1c", "7z self-extracting program (7z x opens it)"),
    (b"Rar!\x1a\x07", "RAR self-extracting program (unrar x opens it)"),
    (b"Inno Setup", "Inno Setup installer (innoextract opens it)"),
    (b".wixburn", "WiX bundle of MSI packages (wix burn extract opens it)"),
    (b"WEXTRACT", "IExpress self-extracting cabinet (7z x opens it)"),
    (b"InstallShield", "InstallShield installer (setup /a or unshield opens it)"),
    ("InstallShield".encode("utf-16-le"), "InstallShield installer (setup /a or unshield opens it)"),
)
_ISO_AT, _ISO = 32769, b"CD001"


def layout(stream: BinaryIO, size: int) -> tuple[int, ...]:
    """Where the script ends and its archives end, in order; () for what is no such file, or does not add up."""
    stream.seek(0)
    head = stream.read(min(size, MAX_HEAD))
    if not _SHELL.match(head):
        return ()
    for offset, sizes in _said(head, size):
        ends = [offset]
        for length in sizes:
            ends.append(ends[-1] + length)
        if ends[-1] == size and 0 not in sizes and all(_archive(stream, at) for at in ends[:-1]):
            return tuple(ends) if b"\0" not in head[:offset] else ()
    return ()


def _said(head: bytes, size: int) -> Iterator[tuple[int, list[int]]]:
    """(where the first archive begins, sizes of the archives), each as the script has it."""
    skip, sizes = _SKIP.search(head), _SIZES.search(head)
    if skip and sizes:
        offset = _after(head, int(skip[1] or skip[2]))
        yield offset, [int(n) for n in sizes[1].split()[:MAX_PARTS]]
        return
    lines = {int(m[1]) for m in _TAIL.finditer(head)}
    if len(lines) == 1:
        offset = _after(head, lines.pop() - 1)
        yield offset, [size - offset]
    for mark in dict.fromkeys(m[1] or m[2] for m in _MARK.finditer(head)):
        if head.count(b"\n" + mark + b"\n") == 1:
            offset = head.find(b"\n" + mark + b"\n") + len(mark) + 2
            yield offset, [size - offset]


def _after(head: bytes, lines: int) -> int:
    """Where the text goes on after so many lines; -1 when it has fewer."""
    at = 0
    for _ in range(lines):
        at = head.find(b"\n", at) + 1
        if not at:
            return -1
    return at


def _archive(stream: BinaryIO, at: int) -> str:
    if at <= 0:
        return ""
    stream.seek(at)
    return sniff.container(stream.read(sniff.HEAD))


def members(stream: BinaryIO) -> Iterator[Member]:
    """The script, and each archive behind it."""
    size = stream.seek(0, 2)
    ends = layout(stream, size)
    yield about_archive(REMARK)
    starts = (0, *ends[:-1])
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        name = SCRIPT if not number else f"{PAYLOAD}{number if len(ends) > 2 else ''}.{_archive(stream, start)}"
        read = functools.partial(_span, stream, start, end - start)
        mode = 0o755 if not number else 0o644
        yield Member(name=name, kind="file", size=end - start, packed=end - start, at=start, chunks=read, mode=mode)


def _span(stream: BinaryIO, at: int, left: int) -> Iterator[bytes]:
    while left:
        stream.seek(at)
        piece = stream.read(min(CHUNK, left))
        if not piece:
            return
        at, left = at + len(piece), left - len(piece)
        yield piece


def closed(head: bytes, stream: BinaryIO, size: int) -> str:
    """What a program or an image is that carries an archive which is not opened; ``""`` for anything else."""
    if head.startswith(b"MZ"):
        stream.seek(0)
        start = stream.read(min(size, CHUNK))
        return next((said for mark, said in _INSTALLERS if mark in start), "")
    if size > _ISO_AT + 2048 and (not any(head[:16]) or head[510:512] == b"\x55\xaa"):
        stream.seek(_ISO_AT)
        return "ISO 9660 image (7z x opens it)" if stream.read(5) == _ISO else ""
    return ""


def unknown(head: bytes, tail: bytes) -> bool:
    """True for a shell script with bytes behind it that no line of it says how to find; ``tail``: the file's last bytes."""
    return _SHELL.match(head) is not None and b"\0" in tail
