"""Traffic that people declare where no log tells: the same model as from a log, made of a made-up log. Pure; no I/O.

The report says that nothing was measured about it: a declared load is somebody's word.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from fulldress.errors import UsageError
from fulldress.formats.accesslog import Request, template
from fulldress.rehearse.declared import DeclaredTable, TrafficFile
from fulldress.rehearse.fitting import fit
from fulldress.rehearse.model_traffic import TrafficModel

_REQUEST = re.compile(r"([A-Z]{1,20}) (/\S*)")
_WINDOW = 10.0
_HOUR = 3600.0
_BEFORE = 1200.0
"""Seconds in which visits begin that are under way when the hour does."""
_MOST_PER_MINUTE = 60_000


def declared_model(declared: TrafficFile, *, seed: int = 0) -> TrafficModel:
    """A model of ``[[declared]]`` and ``[users]``; raises UsageError for what cannot be meant."""
    for one in declared.declared:
        _check(one)
    if not declared.users.burstiness >= 1 or not declared.users.requests_per_visit >= 1 or declared.users.think_seconds < 0:
        raise UsageError("[users]: burstiness and requests-per-visit are at least 1, think-seconds at least 0")
    return fit(_made_up(declared, random.Random(seed)), seed=seed)._replace(source="declared")


def per_minute(declared: TrafficFile, multiple: float) -> dict[str, float]:
    """Requests a minute of each declared endpoint, as the load's report names it."""
    found: dict[str, float] = {}
    for one in declared.declared:
        method, _, path = one.request.partition(" ")
        name = f"{method} {template(one.paths[0] if one.paths else path)}"
        found[name] = found.get(name, 0.0) + one.per_minute * multiple
    return found


def _check(one: DeclaredTable) -> None:
    match = _REQUEST.fullmatch(one.request)
    if match is None:
        raise UsageError(f"[[declared]] {one.request!r} is no request", fix='write "GET /path"')
    if not 0 < one.per_minute <= _MOST_PER_MINUTE:
        raise UsageError(f"[[declared]] {one.request}: per-minute is more than 0 and at most {_MOST_PER_MINUTE}")
    if "{" in one.request and not one.paths:
        raise UsageError(f"[[declared]] {one.request} has a placeholder and no path", fix='add paths = ["/real/17", ...]')
    if not all(path.startswith("/") for path in one.paths):
        raise UsageError(f"[[declared]] {one.request}: a path begins with /")


def _made_up(declared: TrafficFile, draw: random.Random) -> Iterator[Request]:
    """One hour as declared. Its arrivals come in waves: a Poisson stream whose rate changes every ten seconds."""
    rows, users = declared.declared, declared.users
    per_visit = users.requests_per_visit if users.think_seconds else 1.0
    rate = sum(one.per_minute for one in rows) / 60 / per_visit
    weights = [one.per_minute for one in rows]
    mean = rate * _WINDOW
    who, start = 0, -_BEFORE if users.think_seconds else 0.0
    while start < _HOUR:
        here = rate
        if users.burstiness > 1:
            shape = mean / (users.burstiness - 1)
            here = draw.gammavariate(shape, rate / shape)
        at = start
        while here > 0 and (at := at + draw.expovariate(here)) < start + _WINDOW:
            who += 1
            yield from _visit(declared, at, who, weights, draw)
        start += _WINDOW


def _visit(declared: TrafficFile, at: float, who: int, weights: list[float], draw: random.Random) -> Iterator[Request]:
    users = declared.users
    goes_on = 1 - 1 / users.requests_per_visit if users.think_seconds else 0.0
    while at < _HOUR:
        (one,) = draw.choices(declared.declared, weights)
        match = _REQUEST.fullmatch(one.request)
        assert match is not None
        took = draw.expovariate(1000 / max(1.0, one.milliseconds))
        if at >= 0:
            yield Request(
                at=_HOUR + at,
                seconds=took,
                method=match[1],
                path=draw.choice(one.paths) if one.paths else match[2],
                status=200,
                size=one.size,
                client=who if users.think_seconds else 0,
            )
        if draw.random() >= goes_on:
            return
        at += took + draw.expovariate(1 / users.think_seconds)
