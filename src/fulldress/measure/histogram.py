"""A latency histogram with logarithmic buckets: small, mergeable, at most 1 % relative error. Pure; no I/O.

Values are non-negative numbers in whatever unit the caller uses (the load uses milliseconds). The count, the smallest
and the largest value are exact; a quantile is off by at most :data:`RELATIVE_ERROR`. An empty histogram has no
quantiles: it answers None, never 0.
"""

from __future__ import annotations

import math

import msgspec

RELATIVE_ERROR = 0.01
_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_INVERSE_LOG = 1 / math.log(_GROWTH)
_REPRESENTATIVE = 2 / (1 + _GROWTH)
"""A bucket ends at g^i; its value with equal relative error to both ends is g^i * 2 / (1 + g)."""
_TINY = 1e-9
"""At or below this a value counts as zero, which has no logarithm."""


class Histogram(msgspec.Struct):
    """Counts per logarithmic bucket. ``add`` values, ``merge`` others, ask for ``quantile`` and ``worst``."""

    count: int = 0
    zeros: int = 0
    buckets: dict[int, int] = {}
    least: float | None = None
    worst: float | None = None

    def add(self, value: float, times: int = 1) -> None:
        """Count a value; raises ValueError when it is negative, not a number or infinite, or ``times`` is below 1."""
        if not 0 <= value < math.inf or times < 1:
            raise ValueError(f"a histogram takes finite non-negative values at least once, not {value!r} x {times}")
        self.count += times
        self.least = value if self.least is None or value < self.least else self.least
        self.worst = value if self.worst is None or value > self.worst else self.worst
        if value <= _TINY:
            self.zeros += times
            return
        index = math.ceil(math.log(value) * _INVERSE_LOG)
        self.buckets[index] = self.buckets.get(index, 0) + times

    def merge(self, other: Histogram) -> None:
        """Take over everything the other has counted; the same as having added its values here."""
        self.count += other.count
        self.zeros += other.zeros
        for index, times in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + times
        if other.least is not None and (self.least is None or other.least < self.least):
            self.least = other.least
        if other.worst is not None and (self.worst is None or other.worst > self.worst):
            self.worst = other.worst

    def quantile(self, fraction: float) -> float | None:
        """The value that at least this fraction of the counted ones do not exceed (nearest rank); None when empty."""
        if not 0 <= fraction <= 1:
            raise ValueError(f"a fraction lies between 0 and 1, not at {fraction!r}")
        if self.least is None or self.worst is None:
            return None
        rank = max(1, math.ceil(fraction * self.count))
        if rank == 1:
            return self.least
        if rank == self.count:
            return self.worst
        return min(max(self._at_rank(rank), self.least), self.worst)

    def _at_rank(self, rank: int) -> float:
        seen = self.zeros
        if seen >= rank:
            return 0.0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen >= rank:
                return math.exp(index / _INVERSE_LOG) * _REPRESENTATIVE
        raise AssertionError("the buckets hold fewer values than were counted")

    def or_zero(self, fraction: float) -> float:
        """The quantile for a report's column, where "nothing was measured" is told by a count of 0 beside it."""
        value = self.quantile(fraction)
        return 0.0 if value is None else value
