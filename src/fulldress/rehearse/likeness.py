"""Figures of how like the log a schedule is, each beside how unlike one half of the log is to the other. Pure; no I/O.

What the log alone knows (how long an answer took, how large it was) is given to a scheduled request from the log's own of
its endpoint: such a figure tells whether the schedule asks for the right things at the right moments, not how fast it is
answered.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from fulldress.measure.twosample import dispersion, distance, quantile_rmse, separability, wasserstein
from fulldress.model.rehearsal import FidelityFigure
from fulldress.rehearse.model_traffic import Hour, Minute, Planned, TrafficModel, left_out
from fulldress.rehearse.schedule import has_sessions
from fulldress.rehearse.visits import BLOCK, Step, blocks, chains, transitions

_WINDOW = 10
_TOP = 7
_POOL = 5_000
"""Durations and sizes kept of each endpoint."""


class Event(NamedTuple):
    """A request: seconds from the start, what it asked for, how long it takes, how large its answer is."""

    at: float
    endpoint: str
    took: float
    size: int


class Side(NamedTuple):
    """A part of the log, or a schedule."""

    seconds: int
    events: list[Event]
    visits: list[list[str]]
    thinks: list[float]


def figures(
    model: TrafficModel,
    planned: Sequence[Planned],
    *,
    seconds: float,
    multiple: float = 1.0,
    hour: Hour = "peak",
    writes: Collection[str] = (),
    added: Collection[str] = (),
) -> tuple[FidelityFigure, ...]:
    """All figures that there is enough for; none for a model that no log was the source of."""
    if model.source != "log":
        return ()
    omitted = set(left_out(model, dict.fromkeys(writes)))
    stretches = blocks(model.pool(hour), BLOCK if has_sessions(model) else 1)
    log = side_of_log(model, stretches, omitted)
    halves = side_of_log(model, stretches[::2], omitted), side_of_log(model, stretches[1::2], omitted)
    made = side_of_schedule(planned, seconds, log, set(added))
    found = []
    for name, measure, meaning, any_load in _measures(log):
        measured = measure(made, log) if any_load or multiple == 1.0 else None
        noise = measure(*halves) if halves[1].events else None
        if measured is not None:
            noise = None if noise is None else round(noise, 4)
            found.append(FidelityFigure(name=name, measured=round(measured, 4), noise=noise, meaning=meaning))
    return tuple(found)


Measure = Callable[[Side, Side], float | None]


def _measures(log: Side) -> Iterator[tuple[str, Measure, str, bool]]:
    """Name, measure, meaning, and whether it holds for a multiple of the log's load too."""
    tops = [name for name, _ in Counter(one.endpoint for one in log.events).most_common(_TOP)]
    yield "mix of endpoints", _mix, "Jensen-Shannon distance: 0 the same, 1 nothing in common", True
    yield "what follows what", _following, "Jensen-Shannon distance of the transitions inside visits", True
    yield (
        "requests a minute",
        _per_minute,
        "error (RMSE) of the quantiles of requests a minute, as a share of their mean",
        False,
    )
    for width in (1, 10, 60):
        meaning = f"variance/mean of the requests in {width} s: relative difference"
        yield f"bursts at {width} s", _bursts(width), meaning, True
    yield "think time", _thinking, "earth mover's distance of the pauses inside visits, as a share of their mean", True
    yield "requests at once", _at_once, "earth mover's distance of the requests under way, with the log's durations", False
    yield (
        "size of answers",
        _sizes,
        "earth mover's distance of what is asked for, in sizes of the log, as a share of their mean",
        True,
    )
    yield (
        "told apart by a classifier",
        lambda left, right: separability(_windows(left, tops), _windows(right, tops)),
        "area under the curve over windows of ten seconds: 0.5 cannot be told apart, 1 always",
        False,
    )


def side_of_log(model: TrafficModel, stretches: Sequence[Sequence[Minute]], omitted: Collection[str]) -> Side:
    """So many stretches of the log, one behind the other, without what no schedule can hold."""
    names = [one.name for one in model.endpoints]
    side = Side(60 * sum(map(len, stretches)), [], [], [])
    begin = 0
    for stretch in stretches:
        found, singles = chains(stretch) if stretch[0].clients or has_sessions(model) else ([], list(_steps(stretch)))
        for visit in found:
            own = [step for step in visit if names[step.endpoint] not in omitted]
            side.visits.append([names[step.endpoint] for step in own])
            side.thinks.extend(after.at - before.at - before.took for before, after in pairwise(own))
            side.events.extend(_event(step, names, begin) for step in own)
        side.events.extend(_event(step, names, begin) for step in singles if names[step.endpoint] not in omitted)
        begin += 60 * len(stretch)
    side.events.sort()
    return side


def _event(step: Step, names: Sequence[str], begin: float) -> Event:
    return Event(begin + step.at, names[step.endpoint], step.took, step.size)


def _steps(stretch: Sequence[Minute]) -> Iterator[Step]:
    for place, minute in enumerate(stretch):
        for n, (offset, endpoint) in enumerate(zip(minute.offsets_ms, minute.endpoints, strict=True)):
            took, size = (minute.took_ms[n], minute.sizes[n]) if minute.took_ms else (0, 0)
            yield Step(place * 60 + offset / 1000, took / 1000, endpoint, -1, size, 0.0)


def side_of_schedule(planned: Sequence[Planned], seconds: float, log: Side, added: Collection[str]) -> Side:
    """A schedule's whole minutes, without what was added to it."""
    whole = int(seconds // 60) * 60 or int(seconds)
    known: dict[str, list[Event]] = {}
    for one in log.events:
        kept = known.setdefault(one.endpoint, [])
        if len(kept) < _POOL:
            kept.append(one)
    draw = random.Random(0)
    side = Side(whole, [], [], [])
    visits: dict[int, list[str]] = {}
    for request in planned:
        if request.endpoint in added or request.at_s >= whole:
            continue
        like = draw.choice(known[request.endpoint]) if request.endpoint in known else Event(0, "", 0.0, 0)
        side.events.append(Event(request.at_s, request.endpoint, like.took, like.size))
        if request.session is not None:
            if request.session.id in visits:
                side.thinks.append(request.session.think_s)
            visits.setdefault(request.session.id, []).append(request.endpoint)
    side.visits.extend(visits.values())
    return side


def _mix(left: Side, right: Side) -> float | None:
    return distance(Counter(one.endpoint for one in left.events), Counter(one.endpoint for one in right.events))


def _following(left: Side, right: Side) -> float | None:
    return distance(transitions(left.visits), transitions(right.visits))


def _counts(side: Side, width: int) -> list[float]:
    counts = [0.0] * (side.seconds // width)
    for one in side.events:
        if (place := int(one.at // width)) < len(counts):
            counts[place] += 1
    return counts


def _per_minute(left: Side, right: Side) -> float | None:
    return quantile_rmse(_counts(left, 60), _counts(right, 60))


def _bursts(width: int) -> Measure:
    def measure(left: Side, right: Side) -> float | None:
        values = [dispersion([one.at for one in side.events], side.seconds, width) for side in (left, right)]
        return None if None in values or not values[1] else abs((values[0] or 0) / values[1] - 1)

    return measure


def _thinking(left: Side, right: Side) -> float | None:
    return _relative(left.thinks, right.thinks)


def _sizes(left: Side, right: Side) -> float | None:
    return _relative([one.size for one in left.events], [one.size for one in right.events])


def _relative(left: Sequence[float], right: Sequence[float]) -> float | None:
    found, mean = wasserstein(left, right), sum(right) / len(right) if right else 0.0
    return None if found is None or not mean else found / mean


def _at_once(left: Side, right: Side) -> float | None:
    return wasserstein(_under_way(left), _under_way(right))


def _under_way(side: Side) -> list[float]:
    """How many requests are under way, at each full second."""
    change = [0] * (side.seconds + 1)
    for one in side.events:
        first, last = int(one.at) + 1, int(one.at + one.took) + 1
        if first < last and first < len(change):
            change[first] += 1
            change[min(last, side.seconds)] -= 1
    now, found = 0, []
    for step in change[:-1]:
        now += step
        found.append(float(now))
    return found


def _windows(side: Side, tops: Sequence[str]) -> list[list[float]]:
    """Per ten seconds: all requests, those of the commonest endpoints, the fullest second, the empty ones."""
    rows = [[0.0] * (len(tops) + 3) for _ in range(side.seconds // _WINDOW)]
    places = {name: place for place, name in enumerate(tops, 1)}
    seconds = _counts(side, 1)
    for one in side.events:
        if (window := int(one.at // _WINDOW)) < len(rows):
            rows[window][0] += 1
            if one.endpoint in places:
                rows[window][places[one.endpoint]] += 1
    for window, row in enumerate(rows):
        part = seconds[window * _WINDOW : (window + 1) * _WINDOW]
        row[-2:] = [max(part), float(part.count(0.0))]
    return rows
