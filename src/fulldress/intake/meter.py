"""What a walk has used of its budgets, counted before anything is written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fulldress.formats.members import shown
from fulldress.formats.refusal import refusal
from fulldress.intake.budgets import Budgets

Tick = Callable[[int], None]
MAX_WASTE = 4 << 30
"""Bytes unpacked at most for members that turn out to be over a limit."""


class Spent(Exception):
    """A budget is used up. Where the package is only looked at, the part is listed; else it is a refusal."""

    def __init__(self, said: str, limit: str) -> None:
        """``limit``: which one, the same words for every part that meets it."""
        super().__init__(said)
        self.limit = limit


class Meter:
    """Counts the bytes that are unpacked."""

    def __init__(self, budgets: Budgets, tick: Tick) -> None:
        """``tick`` is told of bytes read."""
        self._budgets, self._tick = budgets, tick
        self.package_size = 0
        self.written = 0
        """Bytes unpacked and kept."""
        self.vain = 0
        """Bytes unpacked for members over a limit, and those that such members say that they have."""
        self._wasted = 0

    def admit(self, size: int, what: str) -> None:
        """Raises Spent for a member that by its own word is too large."""
        budgets = self._budgets
        if size > budgets.entry_bytes:
            raise Spent(f"{shown(what)!r} alone has {size} bytes", f"larger than {budgets.entry_bytes} bytes")
        if budgets.lenient and self.written + size > budgets.total_bytes:
            raise Spent("", f"more than {budgets.total_bytes} bytes in all")

    def count(self, amount: int, size: int, packed: int, what: str) -> None:
        """So many bytes more, of a content that has ``size`` by now; raises Spent when any budget is used up."""
        budgets = self._budgets
        self.written += amount
        if size > budgets.entry_bytes or self.written > budgets.total_bytes:
            said = f"{shown(what)} brings the unpacked size to {self.written} bytes and more"
            raise Spent(said, f"more than {budgets.entry_bytes} bytes, or {budgets.total_bytes} in all")
        if size > budgets.ratio_floor and packed and size > budgets.ratio * packed:
            limit = f"grows more than {budgets.ratio} times"
            raise Spent(f"{shown(what)} {limit}", limit)
        if self.written > budgets.ratio_floor and self.written > budgets.ratio * self.package_size:
            limit = f"the package grows more than {budgets.ratio} times"
            raise Spent(f"{limit} (at {shown(what)})", limit)
        self._tick(amount)

    def counted(self, pieces: Iterable[bytes], packed: int, what: str, size: int = 0) -> Iterator[bytes]:
        """The pieces, each counted before it is handed on; ``size``: what was counted already."""
        for piece in pieces:
            size += len(piece)
            self.count(len(piece), size, packed, what)
            yield piece

    def waste(self, before: int, declared: int = 0) -> None:
        """What was unpacked in vain since ``before`` does not count against the others; but not over and over."""
        amount = self.written - before
        self._wasted += amount
        self.vain += amount + declared
        self.written = before
        if self._wasted > MAX_WASTE:
            raise refusal("archive-bomb", f"{self._wasted} bytes were unpacked in vain, for members that are over a limit")
