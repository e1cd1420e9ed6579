"""Looks through objects of a pack for patterns; meant for confined processes, where hostile bytes may meet Hyperscan.

Knows no rules, only patterns; what was found is a :class:`Sighting` for each object that there is anything to say of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from fulldress.formats.encodings import HEAD, MAX_WIDE, encoding_of, is_narrow
from fulldress.formats.patterns import BLOCK, Found, Matcher, Seen
from fulldress.store.pack import Region

PLAIN = Seen(False, "", Found({}, {}))
"""A text in which nothing was found: not worth a word."""
CODECS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
"""Codecs that are needed, and which nothing can load once the process is confined."""


class Sighting(msgspec.Struct, frozen=True, array_like=True):
    """What was found in one object; patterns are told by their number."""

    sha256: str
    binary: bool
    encoding: str = ""
    ends: dict[int, list[int]] = {}
    dropped: dict[int, int] = {}


def sighting(sha256: str, seen: Seen) -> Sighting:
    """As it is reported."""
    return Sighting(sha256, seen.binary, seen.encoding, seen.found.ends, seen.found.dropped)


def looked_through(region: Region, matcher: Matcher, piece: Callable[[bytes], object] = lambda _: None) -> Seen:
    """What is in an object of any size. ``piece`` is given all its bytes, in order, as they are read."""
    if region.size <= BLOCK:
        data = region.read()
        piece(data)
        return matcher.look(data)
    head = region.part(0, HEAD).read()

    def pieces() -> Iterator[bytes]:
        while data := region.read(BLOCK):
            piece(data)
            yield data

    if not is_narrow(head) and region.size <= MAX_WIDE and encoding_of(head):
        return matcher.look(b"".join(pieces()))
    return Seen(not is_narrow(head), "", matcher.search_pieces(pieces()))
