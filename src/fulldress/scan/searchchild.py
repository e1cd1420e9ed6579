"""The confined searcher: ``python -m fulldress.scan.searchchild``, started by ``searcher`` and by nobody else.

Looks for the patterns in every object that it is told of, verifies each against its digest, and reports what it found.
Hyperscan meets hostile bytes here, where nothing but the objects themselves can be read and nothing be written.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from fulldress.adapters import sandbox
from fulldress.formats.encodings import HEAD, MAX_WIDE, encoding_of, is_narrow
from fulldress.formats.patterns import BLOCK, Found, Matcher, Pattern, Seen
from fulldress.store.pack import RECORD, Region

BATCH = 500
"""Objects reported together."""


class SearchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent asks for; the compiled patterns follow it."""

    patterns: tuple[Pattern, ...]
    handles: tuple[int, ...]
    """Descriptors of the files that records point into, by source."""
    inlet: int
    """The reading end of the pipe with the records."""
    folder: str = ""
    """When given, objects are files of this content store instead."""
    memory: int = 1 << 30
    seconds: int = 900


class Object(msgspec.Struct, frozen=True, array_like=True):
    """What was found in one object."""

    sha256: bytes
    binary: bool
    encoding: str = ""
    ends: dict[int, list[int]] = {}
    dropped: dict[int, int] = {}


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the report; the numbers are in the last."""

    objects: list[Object]
    """Those in which there is anything to say: the others are texts without a match."""
    last: bool = False
    count: int = 0
    """How many were searched."""
    wrong: list[bytes] = []
    """Digests that their objects do not have."""
    bytes_read: int = 0


def serve(request: SearchRequest, compiled: bytes, out: BinaryIO) -> None:
    """Confine this process, search, report. Any failure ends the process with a traceback on stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer; this process ends with it
    matcher = Matcher(request.patterns, compiled)
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"):
        "".encode(name)  # loads the codec: nothing can be opened later
    folder = Path(request.folder) if request.folder else None
    sandbox.restrict(None, memory=request.memory, cpu_seconds=request.seconds, file_bytes=1 << 16, readable=folder)
    objects: list[Object] = []
    wrong: list[bytes] = []
    total = 0
    done: set[bytes] = set()
    for sha256, searched, source, offset, size in records(request.inlet):
        if sha256 in done:  # two readers came upon the same content; this one was not found to be wrong
            continue
        handle = _opened(folder, sha256) if folder else request.handles[source]
        try:
            seen = examined(Region(handle, source, offset, size), sha256, matcher if searched else None)
        finally:
            if folder:
                os.close(handle)
        total += size
        if seen is None:
            wrong.append(sha256)
        elif searched:
            done.add(sha256)
            if seen == PLAIN:
                continue
            objects.append(Object(sha256, seen.binary, seen.encoding, seen.found.ends, seen.found.dropped))
            if len(objects) >= BATCH:
                _send(out, Searched(objects=objects))
                objects = []
    _send(out, Searched(objects=objects, wrong=wrong, count=len(done), bytes_read=total, last=True))


def _send(out: BinaryIO, report: Searched) -> None:
    data = msgspec.msgpack.encode(report)
    out.write(len(data).to_bytes(8, "little") + data)
    out.flush()


def _opened(folder: Path, sha256: bytes) -> int:
    name = sha256.hex()
    return os.open(f"{folder}/{name[:2]}/{name[2:]}", os.O_RDONLY | os.O_CLOEXEC)


def records(pipe: int) -> Iterator[tuple[bytes, int, int, int, int]]:
    """The records of a pipe until its writers have gone."""
    rest = b""
    while piece := os.read(pipe, 1 << 16):
        data = rest + piece
        whole = len(data) // RECORD.size * RECORD.size
        yield from RECORD.iter_unpack(data[:whole])
        rest = data[whole:]


PLAIN = Seen(False, "", Found({}, {}))
"""A text in which nothing was found."""
NOTHING = Seen(True, "", Found({}, {}))


def examined(region: Region, sha256: bytes, matcher: Matcher | None) -> Seen | None:
    """What is in an object (``matcher`` None: only its digest is verified); None when it is not what it claims to be."""
    if region.size <= BLOCK:
        data = region.read()
        if hashlib.sha256(data).digest() != sha256:
            return None
        return matcher.look(data) if matcher else NOTHING
    return _large(region, sha256, matcher)


def _large(region: Region, sha256: bytes, matcher: Matcher | None) -> Seen | None:
    """An object that is not held in memory whole."""
    head = region.part(0, HEAD).read()
    encoding = encoding_of(head) if not is_narrow(head) and region.size <= MAX_WIDE else ""
    hasher = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        while piece := region.read(BLOCK):
            hasher.update(piece)
            yield piece

    if matcher is None:
        for _ in pieces():
            pass
        seen = NOTHING
    elif encoding:
        seen = matcher.look(b"".join(pieces()))
    else:
        seen = Seen(not is_narrow(head), "", matcher.search_pieces(pieces()))
    return seen if hasher.digest() == sha256 else None


def main() -> None:
    """One request from stdin: its length (8 bytes), itself, the compiled patterns."""
    source = sys.stdin.buffer
    length = int.from_bytes(source.read(8), "little")
    request = msgspec.json.decode(source.read(length), type=SearchRequest)
    serve(request, source.read(), sys.stdout.buffer)


if __name__ == "__main__":
    main()
