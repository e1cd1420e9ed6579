"""A part of a seekable stream seen as a stream of its own: how a member is read in place, without a copy. Pure."""

from __future__ import annotations

import io
from typing import BinaryIO, cast


class _Window(io.RawIOBase):
    def __init__(self, stream: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._stream, self._offset, self._size, self._at = stream, offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, self._size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        self._stream.seek(self._offset + self._at)
        data = self._stream.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


def window(stream: BinaryIO, offset: int, size: int) -> BinaryIO:
    """The ``size`` bytes from ``offset``; reading it moves the position of the stream beneath."""
    return cast(BinaryIO, _Window(stream, offset, size))
