"""How two confined readers share the members of one archive, and when what they say together holds.

The outermost archive is cut into parts, the same for every reader; each takes the next part when it is free. What one
reader alone would have said is what both say together, whatever part went to whom, or it is not said: where a limit for
the whole package could matter, the package is read again by one. Pure but for reading the queue.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import msgspec

from fulldress.intake.budgets import Budgets
from fulldress.model.package import Covered, NotInspected, PackageLock, Remark

PARTS = 192
"""Parts of an archive: enough that nobody waits long for the other; each number fits into a byte."""
OVERHEAD = 100
"""Bytes that a member takes beside its content, at least: its two headers and names."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader has used of the limits that are for the whole package."""

    members: int = 0
    written: int = 0
    """Bytes that were unpacked and kept."""
    vain: int = 0
    """Bytes that were unpacked in vain, and those that members over a limit declare."""


class Shares:
    """One reader's part of the work."""

    def __init__(self, queue: int, *, first: bool) -> None:
        """``queue``: a pipe that holds the numbers of the parts. ``first``: this reader speaks for the whole archive."""
        self.first = first
        self.parts: dict[int, tuple[NotInspected, ...]] = {}
        """What was not looked into in each part that was taken."""
        self._queue, self._now = queue, -1

    def chooser(self, size: int, aside: list[NotInspected]) -> Callable[[int], bool]:
        """Says of each member in turn, by its packed size, whether this reader opens it.

        ``size``: of the archive. ``aside``: what was not looked into, which is taken and emptied when a part ends.
        """
        before = 0

        def mine(packed: int) -> bool:
            nonlocal before
            number = min(PARTS - 1, before * PARTS // size)
            before += packed + OVERHEAD
            while self._now < number:
                self._next(aside)
            return self._now == number

        return mine

    def finish(self, aside: list[NotInspected]) -> None:
        """Behind the last member: parts that nobody took are empty."""
        while self._now < PARTS:
            self._next(aside)

    def _next(self, aside: list[NotInspected]) -> None:
        if self._now >= 0:
            self.parts[self._now] = tuple(aside)
        aside.clear()
        taken = os.read(self._queue, 1)
        self._now = taken[0] if taken else PARTS


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one of several readers says at its end, beside its lock."""

    tally: Tally
    parts: dict[int, tuple[NotInspected, ...]] = {}


def whole(locks: Sequence[PackageLock], shares: Sequence[Share]) -> PackageLock | None:
    """The lock that one reader alone would have given; None when the readers do not fit together.

    The first lock is that of the reader who spoke for the whole archive.
    """
    first = locks[0]
    numbers = sorted(number for share in shares for number in share.parts)
    if numbers != list(range(PARTS)) or any(
        (k.size, k.format, k.name) != (first.size, first.format, first.name) for k in locks
    ):
        return None
    parts = {number: part for share in shares for number, part in share.parts.items()}
    ledger: list[Covered] = [row for lock in locks for row in lock.ledger]
    return msgspec.structs.replace(
        first,
        bytes_inspected=sum(lock.bytes_inspected for lock in locks),
        not_inspected=(*(item for number in range(PARTS) for item in parts[number]), *first.not_inspected),
        ledger=tuple(sorted(ledger, key=lambda row: row.place)),
        remarks=_remarks(locks),
    )


def _remarks(locks: Sequence[PackageLock]) -> tuple[Remark, ...]:
    found: dict[tuple[str, str], Remark] = {}
    for remark in (remark for lock in locks for remark in lock.remarks):
        key = remark.place, remark.what
        found[key] = together(found[key], remark) if key in found else remark
    return tuple(found[key] for key in sorted(found))


def together(one: Remark, other: Remark) -> Remark:
    """Two of one kind; the example is the same in whatever order they were seen."""
    return msgspec.structs.replace(one, count=one.count + other.count, example=min(one.example, other.example))


def far_from(tallies: Sequence[Tally], budgets: Budgets, size: int) -> bool:
    """True when no limit for the whole package could have been met on the way, in whatever order it was read."""
    written = sum(t.written + t.vain for t in tallies)
    grown = written > budgets.ratio_floor and written > budgets.ratio * size
    members = sum(t.members for t in tallies)
    return members <= budgets.entries and written <= budgets.total_bytes and not grown
