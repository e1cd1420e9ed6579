"""The part of a confined reader that looks for patterns in what it has just unpacked, while that is still in memory.

The patterns come later than the package: the parent finds them while the reader begins to read. What was unpacked until
then waits. May be used after the process was confined; reads one descriptor that was opened before.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from fulldress.formats.patterns import Matcher, Pattern
from fulldress.store.pack import Region
from fulldress.store.search import PLAIN, Sighting, looked_through, sighting

WAITING = 32 << 20
"""Bytes that wait for the patterns at most; the reader waits for them then."""
PIECE = 1 << 20
LENGTH = 8
"""Bytes of the number that says how long what follows is."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for."""

    patterns: tuple[Pattern, ...]
    compiled: bytes


def order(patterns: Sequence[Pattern], compiled: bytes) -> bytes:
    """The order as the parent sends it: its length, itself."""
    body = msgspec.msgpack.encode(Order(patterns=tuple(patterns), compiled=compiled))
    return len(body).to_bytes(LENGTH, "little") + body


class Lookout:
    """Looks once at every content it is shown, now or as soon as it knows for what."""

    def __init__(self, handle: int) -> None:
        """``handle``: where the order comes from; it is made non-blocking here."""
        self.seen: list[Sighting] = []
        """What there is to say so far; the caller takes and empties it."""
        self.count = 0
        """Different contents looked at."""
        self._handle, self._heard, self._ended = handle, bytearray(), False
        self._matcher: Matcher | None = None
        self._known: set[str] = set()
        self._waiting: list[tuple[str, Region]] = []
        self._held = 0
        _set_waiting(handle, False)

    def __call__(self, sha256: str, region: Region) -> None:
        """Look at a content, by its digest."""
        if sha256 in self._known:
            return
        self._known.add(sha256)
        if self._matcher is not None:
            self._look(sha256, region)
            return
        self._waiting.append((sha256, region))
        self._held += region.size if region.is_held else 0
        self._listen()
        if self._is_ordered() or self._held > WAITING:
            self.finish()

    def finish(self) -> None:
        """Look at all that waits; the order is waited for. Raises EOFError when it does not come."""
        if self._matcher is None:
            self._matcher = self._ordered()
        for sha256, region in self._waiting:
            self._look(sha256, region)
        self._waiting, self._held = [], 0

    def _look(self, sha256: str, region: Region) -> None:
        assert self._matcher is not None
        self.count += 1
        seen = looked_through(region, self._matcher)
        if seen != PLAIN:
            self.seen.append(sighting(sha256, seen))

    def _listen(self) -> None:
        """Take a piece of the order, if there is one."""
        with suppress(BlockingIOError):
            piece = os.read(self._handle, PIECE)
            self._ended = not piece
            self._heard += piece

    def _is_ordered(self) -> bool:
        return len(self._heard) >= LENGTH + int.from_bytes(self._heard[:LENGTH], "little")

    def _ordered(self) -> Matcher:
        _set_waiting(self._handle, True)
        while not self._is_ordered():
            if self._ended:
                raise EOFError("the patterns to look for did not come")
            self._listen()
        given = msgspec.msgpack.decode(self._heard[LENGTH:], type=Order)
        self._heard = bytearray()
        return Matcher(given.patterns, given.compiled)


def _set_waiting(handle: int, waits: bool) -> None:
    """As ``os.set_blocking``, which asks for a system call that a confined process has not got."""
    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    fcntl.fcntl(handle, fcntl.F_SETFL, flags & ~os.O_NONBLOCK if waits else flags | os.O_NONBLOCK)
