"""What a checker of signatures may look at, and what it hands back: the seam between ``trust`` and further formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from fulldress.formats.fingerprints import plain
from fulldress.model.package import Entry, VendorPin
from fulldress.model.signed import SignedBy


class Offered(NamedTuple):
    """One signature that was found and judged."""

    place: str
    covers: str
    """A place; ``""`` is the whole package."""
    facts: SignedBy
    counts: bool = True
    """False for a third party's signature inside an archive of its own: it is shown, but decides nothing unless broken."""


class View(NamedTuple):
    """A package as checkers of signatures see it."""

    files: Mapping[str, Entry]
    small: Mapping[str, bytes]
    """Files that may be a key, a certificate, a signature or a list, by place."""
    package: Entry
    """The package itself; its place is ``""``."""
    beside: Mapping[str, bytes]
    """Signatures that lie next to the package, by file name."""
    path: Callable[[Entry], Path]
    """The verified bytes of an entry as a file."""
    pins: Sequence[VendorPin]
    pool: Sequence[bytes]
    """Certificates of the package, DER."""
    roots: Sequence[str]
    now: datetime

    @property
    def stampers(self) -> tuple[str, ...]:
        """Fingerprints of the time-stamping authorities on record."""
        return stampers(self.pins)


class Checker(Protocol):
    """One format of signatures."""

    def look(self, view: View) -> Iterator[Offered]:
        """Every signature of this format, judged."""
        ...


def stampers(pins: Sequence[VendorPin]) -> tuple[str, ...]:
    """Fingerprints of the time-stamping authorities on record, lower-case hex."""
    return tuple(plain(pin.fingerprint) for pin in pins if pin.kind == "tsa")


def without(place: str, suffixes: Sequence[str]) -> str:
    """What a detached signature would be for: its place without the suffix; ``""`` when it has none of them."""
    return next((place.removesuffix(s) for s in suffixes if place.endswith(s)), "")
