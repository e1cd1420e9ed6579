"""How much a clone may write, and what keeps it to that: a watcher, because an overlay has no quota of its own.

Counts what the clone really takes: blocks that a copied-up file still shares with the mirror cost nothing. A clone that
writes more is frozen at once and then cut off; the file system stays usable for the others.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

TICK_S = 0.1
STEP = 32 << 20
"""The clone's files are counted again when the file system has lost so many bytes, or after ``SLOWEST`` ticks."""
SLOWEST = 50
RESERVE = 512 << 20
"""A file system with less room than this stops the clones that wrote as much themselves."""
_FIEMAP = 0xC020660B
_SHARED, _LAST = 0x2000, 0x1
_EXTENTS = 256
_LARGE = 1 << 20
"""Smaller files count whole."""


def taken(folders: Sequence[Path]) -> int:
    """Bytes that the files below the folders take by themselves. Files come and go meanwhile."""
    total = 0
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                with contextlib.suppress(OSError):
                    total += _own(f"{folder}/{name}")
    return total


def _own(path: str) -> int:
    seen = os.lstat(path)
    size = seen.st_blocks * 512
    if size < _LARGE or not stat.S_ISREG(seen.st_mode):
        return size
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return max(0, size - _shared(handle))
    finally:
        os.close(handle)


def _shared(handle: int) -> int:
    """Bytes of a file that lie in blocks it shares with others; 0 where the file system cannot tell."""
    total = start = 0
    while True:
        asked = bytearray(struct.pack("=QQLLLL", start, (1 << 64) - 1 - start, 0, 0, _EXTENTS, 0) + bytes(56 * _EXTENTS))
        try:
            fcntl.ioctl(handle, _FIEMAP, asked)
        except OSError:
            return 0
        count = struct.unpack_from("=L", asked, 20)[0]
        for number in range(count):
            logical, _, length = struct.unpack_from("=QQQ", asked, 32 + 56 * number)
            flags = struct.unpack_from("=L", asked, 32 + 56 * number + 40)[0]
            total += length if flags & _SHARED else 0
            start = logical + length
            if flags & _LAST:
                return total
        if not count:
            return total


class Watch:
    """Looks every tenth of a second at the file system; calls ``stop`` once, from its own thread, when it is too much."""

    def __init__(self, folders: Sequence[Path], most: int, stop: Callable[[str], None], *, free: Callable[[], int]) -> None:
        """``free`` says how many bytes can still be written where the folders are."""
        self.most = most
        self._folders, self._stop, self._free = tuple(folders), stop, free
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="disk-budget", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no more; may be called from ``stop`` itself."""
        self._ended.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=30)

    def _look(self) -> None:
        counted, ticks = self._free_now(), 0
        while not self._ended.wait(TICK_S):
            free, ticks = self._free_now(), ticks + 1
            if free > counted - STEP and ticks < SLOWEST and free > RESERVE:
                continue
            used, counted, ticks = taken(self._folders), free, 0
            if used > self.most:
                self._over(f"it wrote {used / 1e9:.2f} GB to its disk, {self.most / 1e9:.2f} GB were allowed")
            elif free < RESERVE < used:
                self._over(f"it wrote {used / 1e9:.2f} GB, and the disk of all clones was nearly full")

    def _over(self, why: str) -> None:
        self._ended.set()
        self._stop(why)

    def _free_now(self) -> int:
        try:
            return self._free()
        except OSError:  # the file system is being taken away, and the clone with it
            return 0
