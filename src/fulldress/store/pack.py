"""The objects of one package, one behind the other in one file: what a scan reads, and what intake fills its store from.

Append-only and content-addressed: each object once, under its SHA-256. An object whose bytes lie as they are in the
package or in an unpacked archive is not copied, only pointed at. Knows no formats.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, cast

from fulldress.errors import BlobCorrupt
from fulldress.store.blobs import CHUNK
from fulldress.store.codec import disk_full_or

PACK, PACKAGE, SECOND = 0, 1, 2
"""The files in which bytes lie: the pack, the package as it came, and the pack of a second writer."""
RECORD = struct.Struct("<32sBqq")
"""How one process tells another of an object: SHA-256, source, offset, size."""
AT_ONCE = 1000
"""Pieces written at once at most; the system takes 1024."""
HELD = 8 << 20
"""Bytes of an unpacked archive up to which it is read from memory; it is in the pack all the same."""


class Piece(NamedTuple):
    """Where an object lies."""

    source: int
    offset: int
    size: int


class Region:
    """A part of an open file as a stream of its own, read by position: several may be read side by side."""

    __slots__ = ("_at", "_held", "_shift", "handle", "offset", "size", "source")

    def __init__(self, handle: int, source: int, offset: int, size: int, held: bytes | None = None, shift: int = 0) -> None:
        """``held``: the same bytes, from ``shift`` on, where they are still in memory: the file is not asked then."""
        self.handle, self.source, self.offset, self.size, self._at = handle, source, offset, size, 0
        self._held, self._shift = held, shift

    @property
    def is_held(self) -> bool:
        """True when its bytes are in memory."""
        return self._held is not None

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; all that are left when negative."""
        left = self.size - self._at
        wanted = left if size < 0 or size > left else size
        if wanted <= 0:
            return b""
        if self._held is not None:
            start = self._shift + self._at
            data = self._held[start : start + wanted]
        else:
            data = _pread(self.handle, wanted, self.offset + self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """As a file's."""
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def tell(self) -> int:
        """As a file's."""
        return self._at

    def close(self) -> None:
        """The file beneath stays open: it is not the region's."""

    def part(self, offset: int, size: int) -> Region:
        """A region within this one."""
        size = max(0, min(size, self.size - offset))
        return Region(self.handle, self.source, self.offset + offset, size, self._held, self._shift + offset)

    def __enter__(self) -> Region:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """See :meth:`close`."""


def _pread(handle: int, size: int, offset: int) -> bytes:
    data = os.pread(handle, size, offset)
    if len(data) == size or not data:
        return data
    parts, got = [data], len(data)  # one call gives at most 2 GiB
    while got < size and (more := os.pread(handle, size - got, offset + got)):
        parts.append(more)
        got += len(more)
    return b"".join(parts)


class Pack:
    """Reads the objects, and appends to them. ``handle`` and ``package`` are descriptors, and stay the caller's."""

    def __init__(
        self,
        handle: int,
        package: int,
        index: dict[str, Piece] | None = None,
        *,
        room: Path | None = None,
        own: int = PACK,
        others: Sequence[int] = (),
        fresh: bool = False,
    ) -> None:
        """``room``: where temporary copies may lie (:meth:`path`), and what is named when the disk is full.

        ``own``: the source that ``handle`` is, ``SECOND`` for the second of two writers. ``others``: descriptors of the
        sources from ``SECOND`` on, for who reads what several have written. ``fresh``: the packs were filled in this run,
        each object hashed as it was written, and nobody else writes to them: only what lies in the package is hashed when it
        is read.
        """
        self._own = own
        self._handles = {own: handle, PACKAGE: package, **dict(enumerate(others, SECOND))}
        self.index = {} if index is None else index
        self.room = room
        self._pending: list[bytes] = []
        self._end = 0
        """Bytes appended so far."""
        self._flushed = 0
        """How many of them are in the file."""
        self._fresh, self._sound = fresh, set[str]()
        self._copies: dict[str, Path] = {}

    # ---- writing

    def put_chunks(self, chunks: Iterable[bytes], at: Piece | Region | None = None) -> tuple[str, int]:
        """Keep a stream; returns SHA-256 and size. ``at``: its bytes lie there already and are only pointed at."""
        hasher, size, start = hashlib.sha256(), 0, self._end
        try:
            for chunk in chunks:
                hasher.update(chunk)
                size += len(chunk)
                if at is None:
                    self._append(chunk)
        except BaseException:
            self._cut(start)
            raise
        sha256 = hasher.hexdigest()
        if sha256 in self.index:
            self._cut(start)
        elif at is None:
            self.index[sha256] = Piece(self._own, start, size)
        else:
            self.index[sha256] = Piece(at.source, at.offset, size)
        return sha256, size

    def put_piece(self, data: bytes, at: Piece | None = None) -> str:
        """Keep a content that is one piece; returns its SHA-256. ``at``: as for :meth:`put_chunks`."""
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self.index:
            self.index[sha256] = at or Piece(self._own, self._end, len(data))
            if at is None:
                self._append(data)
        return sha256

    def put(self, data: bytes) -> str:
        """Keep bytes; returns their SHA-256."""
        return self.put_piece(data)

    def spool(self, chunks: Iterable[bytes]) -> Region:
        """Bytes that are no object themselves (an unpacked tar), whose parts may become objects."""
        start, size = self._end, 0
        held: list[bytes] | None = []
        for chunk in chunks:
            self._append(chunk)
            size += len(chunk)
            if held is not None:
                held.append(chunk)
                held = held if size <= HELD else None
        if held is None:
            self.flush()
        return Region(self._handles[self._own], self._own, start, size, None if held is None else b"".join(held))

    def spool_piece(self, data: bytes) -> Region:
        """As :meth:`spool`, for what is one piece."""
        start = self._end
        self._append(data)
        return Region(self._handles[self._own], self._own, start, len(data), data)

    def whole(self) -> Region:
        """The package as it came."""
        return Region(self._handles[PACKAGE], PACKAGE, 0, os.fstat(self._handles[PACKAGE]).st_size)

    def flush(self) -> None:
        """Write what is pending."""
        handle, at = self._handles[self._own], self._flushed
        try:
            at += os.pwritev(handle, self._pending, at) if self._pending else 0
            if at < self._end:  # interrupted, or the disk is full
                view = memoryview(b"".join(self._pending))[at - self._flushed :]
                while view:
                    written = os.pwrite(handle, view, at)
                    at, view = at + written, view[written:]
        except OSError as error:
            raise disk_full_or(error, (self.room or Path("/tmp")) / "x") from error
        self._flushed, self._pending = at, []

    def _append(self, chunk: bytes) -> None:
        self._pending.append(chunk)
        self._end += len(chunk)
        if self._end - self._flushed >= CHUNK or len(self._pending) >= AT_ONCE:
            self.flush()

    def _cut(self, start: int) -> None:
        """Forget what was appended since ``start``: an object that was there already."""
        while self._pending and self._end > start:
            self._end -= len(self._pending.pop())
        self._end, self._flushed = start, min(self._flushed, start)

    # ---- reading

    def has(self, sha256: str) -> bool:
        """True when the object is known."""
        return sha256 in self.index

    def open(self, sha256: str) -> BinaryIO:
        """The object as a stream (not verified; use :meth:`read` where the bytes will be trusted)."""
        return cast(BinaryIO, self.region(sha256))

    def region(self, sha256: str, held: bytes | None = None) -> Region:
        """Where the object lies, as a stream; ``held``: its bytes, where they are at hand."""
        if self._pending and held is None:
            self.flush()
        source, offset, size = self.index[sha256]
        return Region(self._handles[source], source, offset, size, held)

    def chunks(self, sha256: str) -> Iterator[bytes]:
        """The object in pieces of at most 1 MiB."""
        stream = self.region(sha256)
        while chunk := stream.read(CHUNK):
            yield chunk

    def read(self, sha256: str) -> bytes:
        """The whole object, verified against its name when it is read for the first time (see ``fresh``)."""
        data = self.region(sha256).read()
        if not self._is_sound(sha256):
            self._must(hashlib.sha256(data).hexdigest(), sha256)
        return data

    def read_at(self, sha256: str, offset: int, size: int) -> bytes:
        """A part of an object; the whole is verified the first time."""
        self.verify(sha256)
        stream = self.region(sha256)
        stream.seek(offset)
        return stream.read(size)

    def verify(self, sha256: str) -> None:
        """Hash an object that nobody has hashed yet; raises ``blob-corrupt``."""
        if not self._is_sound(sha256):
            hasher = hashlib.sha256()
            for chunk in self.chunks(sha256):
                hasher.update(chunk)
            self._must(hasher.hexdigest(), sha256)

    def _is_sound(self, sha256: str) -> bool:
        return sha256 in self._sound or (self._fresh and self.index[sha256].source != PACKAGE)

    def _must(self, found: str, sha256: str) -> None:
        if found != sha256:
            raise BlobCorrupt(
                f"object {sha256[:12]}… does not match its digest",
                why="the package was changed while it was read, or the disk is failing; nothing read can be trusted",
                fix="run the command again on a copy of the package that nobody else writes to",
            )
        self._sound.add(sha256)

    def path(self, sha256: str) -> Path:
        """The object as a file: the package itself, or a temporary copy that :meth:`close` removes."""
        source, offset, size = self.index[sha256]
        if source == PACKAGE and (offset, size) == (0, self.whole().size):
            return Path(f"/proc/self/fd/{self._handles[PACKAGE]}")
        if sha256 not in self._copies:
            handle, name = tempfile.mkstemp(prefix="fulldress-object-", dir=self.room)
            self._copies[sha256] = Path(name)
            with os.fdopen(handle, "wb") as out:
                out.writelines(self.chunks(sha256))
        return self._copies[sha256]

    def close(self) -> None:
        """Remove temporary copies."""
        for copy in self._copies.values():
            copy.unlink(missing_ok=True)
        self._copies.clear()
