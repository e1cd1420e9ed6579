"""Visits: what one client asked for, one request after the other, with the pauses between. Read from a log. Pure: no I/O.

A client that has several requests under way at once (a browser does) is several chains. One that has more than any browser,
or asks more often than any person, is no client but a proxy, a probe or a machine: its requests stand for themselves and
leave by the clock.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fulldress.rehearse.model_traffic import Minute

GAP_S = 900.0
"""A longer pause is the end of a visit."""
BLOCK = 5
"""Minutes of the log that are drawn together when it tells clients apart: a visit is cut at their ends."""
_AT_ONCE = 6
"""Requests that a browser has under way to one host."""
_MOST_PER_MINUTE = 180
_TOUCHING_S = 0.002
"""The log knows milliseconds."""


class Step(NamedTuple):
    """One request of a visit, seconds from the start of its block."""

    at: float
    took: float
    endpoint: int
    path: int
    size: int
    think: float
    """From the end of the one before; 0 for the first."""


Chain = list[Step]


def chains(block: Sequence[Minute]) -> tuple[list[Chain], list[Step]]:
    """The visits in so many minutes that follow each other, and the requests that belong to none."""
    lanes: dict[int, list[Chain]] = {}
    per_minute: Counter[tuple[int, int]] = Counter()
    singles: list[Step] = []
    machines: set[int] = set()
    for place, minute in enumerate(block):
        for who, step in _steps(place, minute):
            if not who:
                singles.append(step)
                continue
            per_minute[who, place] += 1
            mine = lanes.setdefault(who, [])
            if not _append(mine, step) or per_minute[who, place] > _MOST_PER_MINUTE:
                machines.add(who)
    found = []
    for who, mine in lanes.items():
        if who in machines:
            singles += [step._replace(think=0.0) for chain in mine for step in chain]
        else:
            found += mine
    singles.sort(key=lambda step: step.at)
    return found, singles


def _steps(place: int, minute: Minute) -> Iterator[tuple[int, Step]]:
    columns = (minute.offsets_ms, minute.took_ms, minute.endpoints, minute.paths, minute.sizes, minute.clients)
    for offset, took, endpoint, path, size, who in zip(*columns, strict=True):
        yield who, Step(place * 60 + offset / 1000, took / 1000, endpoint, path, size, 0.0)


def _append(mine: list[Chain], step: Step) -> bool:
    """Put a request behind the one that ended last before it, or begin another chain; False when there are too many."""
    best, ended, under_way = None, -1.0, 0
    for chain in mine:
        over = chain[-1].at + chain[-1].took
        if over > step.at + _TOUCHING_S:
            under_way += 1
        elif over > ended and step.at - over <= GAP_S:
            best, ended = chain, over
    if best is None:
        mine.append([step])
    else:
        best.append(step._replace(think=max(0.0, step.at - ended)))
    return under_way < _AT_ONCE


def blocks(pool: Iterable[Minute], length: int) -> list[tuple[Minute, ...]]:
    """The minutes of a pool in stretches of at most ``length`` that follow each other without a hole."""
    found: list[list[Minute]] = []
    for minute in sorted(pool, key=lambda one: one.start):
        last = found[-1] if found else []
        if last and len(last) < length and minute.start == last[-1].start + 1:
            last.append(minute)
        else:
            found.append([minute])
    return [tuple(one) for one in found]


def transitions(visits: Iterable[Sequence[str]]) -> Counter[str]:
    """How often which endpoint was asked for after which."""
    counts: Counter[str] = Counter()
    for names in visits:
        counts.update(f"{one} → {other}" for one, other in itertools.pairwise(names))
    return counts
