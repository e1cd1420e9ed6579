"""Single-stream compression (gz, xz, bz2, zst) undone in bounded pieces. Pure over a stream.

Bytes behind the compressed data are refused (zeros are allowed: tapes and block devices pad), and so is what would hide in
a gzip header or in frames that every reader of zst skips; memory is bounded.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

import zstandard
from isal import isal_zlib as zlib

from fulldress.formats.refusal import refusal

INFLATE_ERROR: type[Exception] = zlib.error  # type: ignore[assignment]  # its stub takes the class for an instance
CHUNK = 1 << 18
XZ_MEMORY = 128 << 20
ZST_WINDOW = 128 << 20
MAX_ASIDE = 4096
"""Bytes of names, comments and tables that may stand beside the content: in one gzip header, or between zst frames..."""
SHARE_ASIDE = 64
"""...or so many parts of the whole stream: the tables by which a zst stream can be entered anywhere."""
MAGIC = {"gz": b"\x1f\x8b\x08", "xz": b"\xfd7zXZ\0", "bz2": b"BZh", "zst": b"\x28\xb5\x2f\xfd"}


_STARTS = {**MAGIC, "lzma": b"\x5d\0\0"}
"""``lzma`` (old RPM payloads) has no mark of its own, so it is opened only where a container says so."""


class Inflater(Protocol):
    """The part of lzma's and bz2's decompressors that is used."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gzip:
    """zlib's object with the same face as lzma's and bz2's."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._pending = False

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._pending and not self.eof

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        out = self._object.decompress(self._object.unconsumed_tail + data, max_length)
        self._pending = len(out) == max_length
        return out


_INFLATERS: dict[str, Callable[[], Inflater]] = {
    "gz": _Gzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=XZ_MEMORY),
}


def decompressed(stream: BinaryIO, kind: str) -> Iterator[bytes]:
    """The content of a gz, xz, bz2, lzma or zst stream (several streams in a row count as one), ≤ 256 KiB a piece.

    Raises PackageRefused ``archive-damaged``, ``zip-truncated``, ``zip-views-disagree`` (bytes behind) or ``archive-bomb``.
    """
    stream.seek(0)
    try:
        if kind == "zst":
            yield from _zst(stream)
        else:
            yield from _streams(stream, kind)
    except (INFLATE_ERROR, lzma.LZMAError, OSError, zstandard.ZstdError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        slug = "archive-bomb" if "emory" in str(error) else "archive-damaged"
        raise refusal(slug, f"the {kind} stream cannot be unpacked: {error}") from None


def _streams(stream: BinaryIO, kind: str) -> Iterator[bytes]:
    make = _INFLATERS[kind]
    rest = stream.read(CHUNK)
    while rest:
        if not rest.startswith(_STARTS[kind][: len(rest)]):
            _padding(rest, stream, kind)
            return
        if kind == "gz":
            _gzip_header(rest)
        inflater = make()
        piece = rest
        while not inflater.eof:
            out = inflater.decompress(piece, CHUNK)
            piece = b""
            if out:
                yield out
            if inflater.needs_input and not inflater.eof:
                piece = stream.read(CHUNK)
                if not piece:
                    raise refusal("zip-truncated", f"the {kind} stream is cut")
        rest = inflater.unused_data or stream.read(CHUNK)
        if 0 < len(rest) < 6:
            rest += stream.read(CHUNK)


def small_gzip(data: bytes) -> bytes | None:
    """The content of a gz stream that is one member of at most 256 KiB; None for any other, or a damaged one.

    Those are for :func:`decompressed`, which says what is wrong. Raises PackageRefused ``zip-views-disagree`` as it does.
    """
    _gzip_header(data)
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = inflater.decompress(data, CHUNK)
    except INFLATE_ERROR:
        return None
    return content if inflater.eof and not inflater.unused_data else None


def _gzip_header(head: bytes) -> None:
    """Refuse a header with more beside the content than a name and a few words."""
    if len(head) < 10 or not head[3] & 0b11100:
        return
    at = 10 + (2 + int.from_bytes(head[10:12], "little") if head[3] & 4 else 0)
    for flag in (8, 16):
        if head[3] & flag:
            end = head.find(b"\0", at, at + MAX_ASIDE + 1)
            at = end + 1 if end >= 0 else at + MAX_ASIDE + 1
    if at > 10 + MAX_ASIDE:
        raise refusal("zip-views-disagree", "bytes hide in the header of the gz stream")


def _padding(rest: bytes, stream: BinaryIO, kind: str) -> None:
    while rest:
        if any(rest):
            raise refusal("zip-views-disagree", f"bytes hide behind the {kind} stream")
        rest = stream.read(CHUNK)


def _zst(stream: BinaryIO) -> Iterator[bytes]:
    _zst_whole(stream)
    stream.seek(0)
    reader = zstandard.ZstdDecompressor(max_window_size=ZST_WINDOW).stream_reader(
        stream, read_size=CHUNK, read_across_frames=True, closefd=False
    )
    while piece := reader.read(CHUNK):
        yield piece


def _zst_whole(stream: BinaryIO) -> None:
    """Walk frames and blocks without unpacking: the library itself takes a cut stream for a whole one."""
    end = stream.seek(0, 2)
    at = aside = 0
    while at < end:
        stream.seek(at)
        head = stream.read(18)
        if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:
            length = int.from_bytes(head[4:8], "little")
            at, aside = at + 8 + length, aside + length
        elif head[:4] == MAGIC["zst"] and len(head) > 5:
            at = _zst_frame(stream, at, head[4])
        else:
            raise refusal("zip-views-disagree", "bytes hide behind the zst stream")
    if at != end:
        raise refusal("zip-truncated", "the zst stream is cut")
    if aside > max(MAX_ASIDE, end // SHARE_ASIDE):
        raise refusal("zip-views-disagree", f"{aside} bytes hide in frames that every reader of zst skips")


def _zst_frame(stream: BinaryIO, at: int, descriptor: int) -> int:
    single, checksum = descriptor >> 5 & 1, descriptor >> 2 & 1
    content_size = (single, 2, 4, 8)[descriptor >> 6]
    at += 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + content_size
    last = False
    while not last:
        stream.seek(at)
        block = stream.read(3)
        if len(block) < 3:
            raise refusal("zip-truncated", "the zst stream is cut")
        value = int.from_bytes(block, "little")
        last = bool(value & 1)
        at += 3 + (1 if value >> 1 & 3 == 1 else value >> 3)
    return at + 4 * checksum
