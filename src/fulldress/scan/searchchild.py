"""The confined searcher: ``python -m fulldress.scan.searchchild``, started by ``searcher`` and by nobody else.

Looks for the patterns in every object that it is told of, verifies each against its digest, and reports what it found.
Hyperscan meets hostile bytes here, where nothing but the objects themselves can be read and nothing be written.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from fulldress.adapters import sandbox
from fulldress.formats.patterns import Matcher, Pattern, Seen
from fulldress.store.pack import RECORD, Region
from fulldress.store.search import CODECS, PLAIN, Sighting, looked_through, sighting

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


class Searched(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the report; the numbers are in the last."""

    objects: list[Sighting]
    """Those in which there is anything to say: the others are texts without a match."""
    last: bool = False
    count: int = 0
    """How many were searched."""
    wrong: list[bytes] = []
    """Digests that their objects do not have."""


def serve(request: SearchRequest, compiled: bytes, out: BinaryIO) -> None:
    """Confine this process, search, report. Any failure ends the process with a traceback on stderr."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer; this process ends with it
    matcher = Matcher(request.patterns, compiled)
    for codec in CODECS:
        codecs.lookup(codec)
    folder = Path(request.folder) if request.folder else None
    sandbox.restrict(None, memory=request.memory, cpu_seconds=request.seconds, file_bytes=1 << 16, readable=folder)
    objects: list[Sighting] = []
    wrong: list[bytes] = []
    count = 0
    for sha256, source, offset, size in records(request.inlet):
        handle = _opened(folder, sha256) if folder else request.handles[source]
        try:
            seen = _examined(Region(handle, source, offset, size), sha256, matcher)
        finally:
            if folder:
                os.close(handle)
        if seen is None:
            wrong.append(sha256)
            continue
        count += 1
        if seen != PLAIN:
            objects.append(sighting(sha256.hex(), seen))
            if len(objects) >= BATCH:
                _send(out, Searched(objects=objects))
                objects = []
    _send(out, Searched(objects=objects, wrong=wrong, count=count, last=True))


def _send(out: BinaryIO, report: Searched) -> None:
    data = msgspec.msgpack.encode(report)
    out.write(len(data).to_bytes(8, "little") + data)
    out.flush()


def _opened(folder: Path, sha256: bytes) -> int:
    name = sha256.hex()
    return os.open(f"{folder}/{name[:2]}/{name[2:]}", os.O_RDONLY | os.O_CLOEXEC)


def records(pipe: int) -> Iterator[tuple[bytes, int, int, int]]:
    """The records of a pipe until its writers have gone."""
    rest = b""
    while piece := os.read(pipe, 1 << 16):
        data = rest + piece
        whole = len(data) // RECORD.size * RECORD.size
        yield from RECORD.iter_unpack(data[:whole])
        rest = data[whole:]


def _examined(region: Region, sha256: bytes, matcher: Matcher) -> Seen | None:
    """What is in an object; None when it is not what it claims to be."""
    hasher = hashlib.sha256()
    seen = looked_through(region, matcher, hasher.update)
    return seen if hasher.digest() == sha256 else None


def main() -> None:
    """One request from stdin: its length (8 bytes), itself, the compiled patterns."""
    source = sys.stdin.buffer
    length = int.from_bytes(source.read(8), "little")
    request = msgspec.json.decode(source.read(length), type=SearchRequest)
    serve(request, source.read(), sys.stdout.buffer)


if __name__ == "__main__":
    main()
