"""How members of a ZIP are packed, beyond plain deflate: bzip2, LZMA, xz, Zstandard. Pure; bounded pieces and memory."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Iterator
from typing import Any

import zstandard

from fulldress.formats.compressed import XZ_MEMORY, ZST_WINDOW, Inflater
from fulldress.formats.refusal import refusal

STORED, DEFLATED, BZIP2, LZMA, ZSTD, XZ = 0, 8, 12, 14, 93, 95
METHODS = (STORED, DEFLATED, BZIP2, LZMA, ZSTD, XZ)
NAMES = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64, which Windows takes for files over 2 GB",
    10: "IBM TERSE",
    16: "IBM CMPSC",
    18: "IBM TERSE",
    19: "IBM LZ77",
    94: "MP3",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
    99: "AES encryption",
}
"""Other methods, by the names that tools show."""
CHUNK = 1 << 16
_LZMA_HEADER = 9


def unpacked(pieces: Iterator[bytes], method: int, size: int, what: str) -> Iterator[bytes]:
    """The content of a member packed by bzip2, LZMA, xz or Zstandard; ``what`` names it in refusals.

    ``size`` ends an LZMA member without an end mark. Raises PackageRefused ``archive-damaged``, ``archive-bomb`` (memory)
    or ``zip-views-disagree`` (bytes behind the content).
    """
    try:
        if method == ZSTD:
            yield from _zstd(pieces, what)
        else:
            yield from _run(_inflater(pieces, method, what), pieces, what, size if method == LZMA else -1)
    except (OSError, lzma.LZMAError, zstandard.ZstdError, EOFError) as error:
        slug = "archive-bomb" if "emory" in str(error) else "archive-damaged"
        raise refusal(slug, f"{what} cannot be unpacked: {error}") from None


def _inflater(pieces: Iterator[bytes], method: int, what: str) -> tuple[Inflater, bytes]:
    if method == BZIP2:
        return bz2.BZ2Decompressor(), b""
    if method == XZ:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY), b""
    head = b""
    while len(head) < _LZMA_HEADER and (piece := next(pieces, b"")):
        head += piece
    size = int.from_bytes(head[2:4], "little")
    if len(head) < _LZMA_HEADER or size != 5:
        raise refusal("archive-damaged", f"{what} has no LZMA header")
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[_lzma_filter(head[4:9], what)]), head[9:]


def _lzma_filter(properties: bytes, what: str) -> dict[str, Any]:
    first, dictionary = properties[0], int.from_bytes(properties[1:5], "little")
    if first >= 9 * 5 * 5:
        raise refusal("archive-damaged", f"{what} has no LZMA header")
    if dictionary > XZ_MEMORY:
        raise refusal("archive-bomb", f"{what} asks for {dictionary} bytes of memory")
    rest, lc = divmod(first, 9)
    pb, lp = divmod(rest, 5)
    return {"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), "lc": lc, "lp": lp, "pb": pb}


def _run(start: tuple[Inflater, bytes], pieces: Iterator[bytes], what: str, left: int) -> Iterator[bytes]:
    """``left``: bytes after which a member may end without an end mark; -1 when it may not."""
    inflater, piece = start
    while not inflater.eof and left:
        if inflater.needs_input and not piece:
            piece = next(pieces, b"")
            if not piece:
                raise refusal("archive-damaged", f"the packed content of {what} is cut")
        out = inflater.decompress(piece, CHUNK if left < 0 else min(CHUNK, left))
        piece = b""
        if out:
            left -= len(out) if left > 0 else 0
            yield out
    if inflater.unused_data or next(pieces, b""):
        raise refusal("zip-views-disagree", f"bytes hide behind the packed content of {what}")


def _zstd(pieces: Iterator[bytes], what: str) -> Iterator[bytes]:
    inflater = zstandard.ZstdDecompressor(max_window_size=ZST_WINDOW).decompressobj()
    for piece in pieces:
        if inflater.eof:
            raise refusal("zip-views-disagree", f"bytes hide behind the packed content of {what}")
        # Small bites: the object has no limit of its own, and a bite of 1 KiB grows to a few MiB at most.
        for at in range(0, len(piece), 1024):
            if inflater.eof:
                raise refusal("zip-views-disagree", f"bytes hide behind the packed content of {what}")
            out = inflater.decompress(piece[at : at + 1024])
            yield from (out[n : n + CHUNK] for n in range(0, len(out), CHUNK))
    if not inflater.eof:
        raise refusal("archive-damaged", f"the packed content of {what} is cut")
    if inflater.unused_data:
        raise refusal("zip-views-disagree", f"bytes hide behind the packed content of {what}")
