"""Two versions under one and the same schedule: is an endpoint slower with the new one? Pure; no I/O, no randomness.

A request is bad when it is as slow as the 99th (or 50th) percentile of both versions together, or failed. If the version
made no difference, the bad ones fall on the two as by lot, whatever the latencies look like: that is an exact test
(hypergeometric). ``due`` is on the schedule's own clock: both have the same windows. Requests of one moment are slow
together, so the counts are divided by how much more they gather on one side in single windows than by lot.
All tests of a comparison share one chance of a false alarm (Bonferroni), and what is certain but small is no regression.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple, Protocol

from fulldress.measure.load import is_failed, nearest_rank
from fulldress.model.rehearsal import EndpointShift

ALL = "(all endpoints)"
ALPHA = 0.005
"""Chance that a comparison without any difference calls some endpoint regressed: half of what may be, because the correction
for slow moments is itself an estimate."""
SMALLEST = 0.10
SMALLEST_MS = 1.0
"""A change is one only from both on: relative, and milliseconds."""
TOLERANCE = 0.25
"""Unchanged: the whole interval of p50 and p99 lies within that."""
FAILED_MS = 60_000.0
"""What a failed request counts as: slower than any answer."""
_MOST_CHANGE = 9.99
_WINDOWS = 24
_TOGETHER = (1, 2, 4)
_DOUBT = 4.0
"""Bad requests without preference that are thought of beside those of all other windows."""
_FEWEST = 20

Quantile = Literal["p99", "p50"]
_FRACTIONS: dict[Quantile, float] = {"p99": 0.99, "p50": 0.5}


class Timed(Protocol):
    """A request that was played."""

    @property
    def due(self) -> float: ...

    @property
    def latency(self) -> float | None: ...

    @property
    def status(self) -> int: ...

    @property
    def endpoint(self) -> str: ...

    @property
    def failure(self) -> str: ...


class _Arm(NamedTuple):
    latencies: list[float]
    windows: list[int]

    def bad(self, limit: float) -> int:
        return sum(one >= limit for one in self.latencies)


class _Found(NamedTuple):
    """One quantile of one endpoint."""

    before: float
    after: float
    low: float
    high: float
    slower: bool
    faster: bool

    @property
    def matters(self) -> bool:
        return abs(self.after - self.before) >= max(SMALLEST * self.before, SMALLEST_MS)

    @property
    def steady(self) -> bool:
        return self.low >= -TOLERANCE and self.high <= TOLERANCE


def shifts(before: Iterable[Timed], after: Iterable[Timed], *, alpha: float = ALPHA) -> tuple[EndpointShift, ...]:
    """One row per endpoint and one for all together: those that regressed first, then by their requests."""
    old, new = _arms(list(before), list(after))
    names = sorted(old.keys() & new.keys())
    if not names:
        return ()
    each = alpha / (len(names) * len(_FRACTIONS))
    rows = [_row(name, old[name], new[name], each) for name in names]
    order = ["regressed", "improved", "unchanged", "not enough data"]
    return tuple(sorted(rows, key=lambda row: (order.index(row.judgement), row.endpoint != ALL, -row.before, row.endpoint)))


def _arms(*sides: Sequence[Timed]) -> list[dict[str, _Arm]]:
    """By endpoint. The windows are those of one clock for both sides."""
    dues = [one.due for played in sides for one in played]
    first = min(dues, default=0.0)
    width = max(0.5, (max(dues, default=0.0) - first) / _WINDOWS)
    return [_side(played, first, width) for played in sides]


def _side(played: Iterable[Timed], first: float, width: float) -> dict[str, _Arm]:
    arms: dict[str, _Arm] = {}
    for one in played:
        failed = bool(one.failure) or is_failed(one.status) or one.latency is None
        took = FAILED_MS if failed or one.latency is None else one.latency * 1000
        for name in (one.endpoint, ALL):
            arm = arms.setdefault(name, _Arm([], []))
            arm.latencies.append(took)
            arm.windows.append(int((one.due - first) / width))
    return arms


def _row(name: str, old: _Arm, new: _Arm, alpha: float) -> EndpointShift:
    found = {quantile: _quantile(old, new, fraction, alpha) for quantile, fraction in _FRACTIONS.items()}
    judgement: Literal["regressed", "improved", "unchanged", "not enough data"] = "not enough data"
    decided: Quantile = "p99"
    if slower := [quantile for quantile, one in found.items() if one.slower and one.matters]:
        judgement, decided = "regressed", slower[0]
    elif faster := [quantile for quantile, one in found.items() if one.faster and one.matters]:
        judgement, decided = "improved", faster[0]
    elif all(one.steady or not _noticed(one) for one in found.values()) and _enough(old, new):
        judgement = "unchanged"
    return EndpointShift(
        endpoint=name,
        before=len(old.latencies),
        after=len(new.latencies),
        p50_before=round(found["p50"].before, 3),
        p50_after=round(found["p50"].after, 3),
        p99_before=round(found["p99"].before, 3),
        p99_after=round(found["p99"].after, 3),
        low=round(found[decided].low, 4),
        high=round(found[decided].high, 4),
        judgement=judgement,
        measure=decided,
    )


def _noticed(one: _Found) -> bool:
    """Whether the far end of the interval is a change that anybody would notice, in milliseconds."""
    return max(abs(one.low), abs(one.high)) * one.before >= SMALLEST_MS


def _enough(old: _Arm, new: _Arm) -> bool:
    return min(len(old.latencies), len(new.latencies)) * (1 - _FRACTIONS["p99"]) >= _FEWEST / 4


def _quantile(old: _Arm, new: _Arm, fraction: float, alpha: float) -> _Found:
    together = sorted([*old.latencies, *new.latencies])
    limit = nearest_rank(together, fraction)
    bad_old, bad_new = old.bad(limit), new.bad(limit)
    spread = max(1.0, dispersion_over_time(old, new, limit))
    olds, news = sorted(old.latencies), sorted(new.latencies)
    low, high = _interval(olds, news, fraction, alpha, spread)
    sizes = (len(olds), len(news))
    return _Found(
        before=nearest_rank(olds, fraction),
        after=nearest_rank(news, fraction),
        low=low,
        high=high,
        slower=tail(bad_new, bad_old, sizes[1], sizes[0], spread) <= alpha,
        faster=tail(bad_old, bad_new, sizes[0], sizes[1], spread) <= alpha,
    )


def dispersion_over_time(old: _Arm, new: _Arm, limit: float) -> float:
    """How much more the bad requests of a moment gather on one side than by lot; 1 is the lot alone.

    Both versions met the same moments of the schedule: a moment that was slow for both drops out, one that was slow for one
    does not.
    """
    return max(_dispersion(old, new, limit, together) for together in _TOGETHER)


def _dispersion(old: _Arm, new: _Arm, limit: float, together: int) -> float:
    """The same over windows of so many of the smallest ones: a slow moment may be a long one.

    What falls on the new version is held against its share in all *other* windows: a real change is no dispersion, and
    one bad moment is no change.
    """
    sizes, bads = zip(*(_counted(arm, limit, together) for arm in (old, new)), strict=True)
    every, bad = len(old.latencies) + len(new.latencies), sum(map(Counter.total, bads))
    found, expected, places = 0.0, 0.0, 0
    for window in bads[0].keys() | bads[1].keys():
        slow, size = bads[0][window] + bads[1][window], sizes[0][window] + sizes[1][window]
        by_size = sizes[1][window] / size
        elsewhere = (bads[1].total() - bads[1][window] + _DOUBT * len(new.latencies) / every) / (bad - slow + _DOUBT)
        share = _at(by_size, elsewhere, len(new.latencies) / every)
        chance = slow * share * (1 - share) * (size - slow) / max(1, size - 1)
        found, expected, places = found + (bads[1][window] - slow * share) ** 2, expected + chance, places + 1
    if not expected:
        return float(max(1, bad)) if found else 1.0
    # of few windows the figure is itself a matter of chance, and the largest of several is taken: half an error less
    return found / expected / (1 + 1 / math.sqrt(2 * places))


def _counted(arm: _Arm, limit: float, together: int) -> tuple[Counter[int], Counter[int]]:
    """Requests and bad ones by window."""
    pairs = zip(arm.windows, arm.latencies, strict=True)
    bad = Counter(window // together for window, took in pairs if took >= limit)
    return Counter(window // together for window in arm.windows), bad


def _at(by_size: float, elsewhere: float, usual: float) -> float:
    """The share of one side in a window where it has another share of the requests than usual: by odds."""
    if not 0 < by_size < 1 or not 0 < usual < 1:
        return by_size
    odds = by_size / (1 - by_size) * (elsewhere / max(1e-9, 1 - elsewhere)) / (usual / (1 - usual))
    return odds / (1 + odds)


def tail(bad: int, others: int, size: int, other_size: int, spread: float = 1.0) -> float:
    """Chance that at least ``bad`` of all bad requests fall on this side by lot; counts divided by their ``spread``."""
    drawn, everything = math.floor((bad + others) / spread), math.floor((size + other_size) / spread)
    mine, least = math.floor(size / spread), math.floor(bad / spread)
    top = min(drawn, mine)
    if least <= max(0, drawn - (everything - mine)):
        return 1.0
    if least > top:
        least = top
    term = math.exp(_choose(mine, least) + _choose(everything - mine, drawn - least) - _choose(everything, drawn))
    total = 0.0
    for k in range(least, top + 1):
        total += term
        if term < total * 1e-12:
            break
        term *= (mine - k) * (drawn - k) / ((k + 1) * (everything - mine - drawn + k + 1))
    return min(1.0, total)


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _interval(
    old: Sequence[float], new: Sequence[float], fraction: float, alpha: float, spread: float
) -> tuple[float, float]:
    """Of the relative change of a quantile: the order statistics' own bounds of either side, put together (MOVER)."""
    (a, a_low, a_high), (b, b_low, b_high) = (_bounds(one, fraction, alpha, spread) for one in (old, new))
    change = math.log(b / a)
    below = math.hypot(math.log(b / b_low), math.log(a_high / a))
    above = math.hypot(math.log(b_high / b), math.log(a / a_low))
    return math.expm1(change - below), min(_MOST_CHANGE, math.expm1(min(5.0, change + above)))


def _bounds(ordered: Sequence[float], fraction: float, alpha: float, spread: float) -> tuple[float, float, float]:
    size = len(ordered)
    reach = NormalDist().inv_cdf(1 - alpha / 2) * math.sqrt(spread * size * fraction * (1 - fraction))
    middle = max(1e-3, nearest_rank(ordered, fraction))
    low, high = math.floor(fraction * size - reach) - 1, math.ceil(fraction * size + reach)
    least = ordered[low] if low >= 0 else ordered[0] / 2
    most = ordered[high] if high < size else FAILED_MS * 2  # the sample does not reach that far: nobody knows
    return middle, min(middle, max(1e-3, least)), max(middle, most)
