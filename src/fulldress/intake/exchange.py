"""What the parent and its confined readers say to each other: one request, and lines of reports. Nouns; no I/O."""

from __future__ import annotations

import msgspec

from fulldress.intake.budgets import Budgets
from fulldress.intake.shares import Share
from fulldress.model.package import Entry, PackageLock
from fulldress.store.pack import Piece
from fulldress.store.search import Sighting


class Seat(msgspec.Struct, frozen=True):
    """What one reader has to itself: descriptors that are inherited."""

    pack_fd: int
    """An empty file, to be filled."""
    order_fd: int = 0
    """Where the patterns come from."""
    report_fd: int = 1


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the parent asks for."""

    name: str
    package_fd: int
    seats: tuple[Seat, ...]
    """One for each reader: the first fills ``PACK``, the second ``SECOND``."""
    budgets: Budgets
    searched: bool = False
    """True: what is unpacked is looked through for patterns, which follow on ``order_fd`` (``lookout.order``)."""
    queue_fd: int = -1
    """A pipe with the numbers of the parts, where two readers share the work; -1 when there is only one."""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the child's output: bytes done so far, entries, at last the lock, or why there is none."""

    done: int = 0
    entries: list[Entry] = []
    pieces: list[Piece] = []
    """Where the content of those of the entries lies that have a digest."""
    sightings: list[Sighting] = []
    """What was found in contents, the entries of which may come earlier or later."""
    searched: int = 0
    """Along with the lock: how many different contents were looked through."""
    lock: PackageLock | None = None
    """Without its entries, and without its digest: the parent takes that itself."""
    share: Share | None = None
    """Along with the lock."""
    error: str = ""
    """Class of the error: PackageRefused, NothingToDo, CapabilityMissing or StateDiskFull."""
    what: str = ""
    why: str = ""
    fix: str = ""
    slug: str = ""
