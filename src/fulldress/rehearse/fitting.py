"""One pass over an access log makes a traffic model, bounded in memory however long the log is. Pure: no I/O."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fulldress.errors import NothingToDo
from fulldress.formats.accesslog import Request, Templates, template
from fulldress.rehearse.model_traffic import PEAK, Endpoint, Minute, TrafficModel

_MINUTE = 60
_MOST_KEPT = 2_000_000
_MOST_ENDPOINTS = 50_000
_MOST_PATHS = 200_000
_MOST_WORD = 2**32 - 1
_EXAMPLES = 48


class _Arrays(NamedTuple):
    """One minute being filled, in the order of :class:`Minute`."""

    offsets_ms: array[int]
    endpoints: array[int]
    took_ms: array[int]
    sizes: array[int]
    clients: array[int]
    paths: array[int]


def _append(minutes: dict[int, _Arrays], minute: int, found: tuple[int, ...]) -> None:
    arrays = minutes.get(minute)
    if arrays is None:
        arrays = minutes[minute] = _Arrays(array("H"), array("I"), array("I"), array("I"), array("Q"), array("i"))
    for column, value in zip(arrays, found, strict=True):
        column.append(value)


class _Busiest:
    """The busiest ten minutes of a log that is too large to be kept whole, found as it passes by."""

    def __init__(self, minutes: Mapping[int, _Arrays]) -> None:
        self._open: dict[int, dict[int, _Arrays]] = {}
        self.best: dict[int, _Arrays] = {}
        for minute, kept in minutes.items():
            self._open.setdefault(minute // PEAK, {})[minute] = _Arrays(*(one[:] for one in kept))
        while len(self._open) > 1:
            self._close()

    def add(self, minute: int, found: tuple[int, ...]) -> None:
        """A log is ordered by completion: requests of a stretch still come when the next one has begun."""
        _append(self._open.setdefault(minute // PEAK, {}), minute, found)
        if len(self._open) > 2:
            self._close()

    def peak(self) -> dict[int, _Arrays]:
        """The minutes of the busiest stretch."""
        while self._open:
            self._close()
        return self.best

    def _close(self) -> None:
        stretch = self._open.pop(min(self._open))
        self.best = max(self.best, stretch, key=lambda minutes: sum(len(one.offsets_ms) for one in minutes.values()))


class _Fitting:
    """State of one pass over a log, bounded in memory: a stride over minutes doubles when too much is kept."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.keys: dict[tuple[str, str], int] = {}
        self.counts: list[int] = []
        self.examples: list[list[str]] = []
        self.offered: list[int] = []
        self.minutes: dict[int, _Arrays] = {}
        self.paths: dict[str, int] = {}
        self.recent: _Busiest | None = None
        """Once minutes are left out: the busiest ten are kept whole."""
        self.busy_hours: set[int] = set()
        self.stride = 1
        self.kept = 0
        self.requests = 0
        self.first = float("inf")
        self.last = float("-inf")

    def add(self, request: Request) -> None:
        key = self._key(request)
        self.requests += 1
        self.counts[key] += 1
        self.first = min(self.first, request.at)
        self.last = max(self.last, request.at)
        self._example(key, request)
        minute = int(request.at // _MINUTE)
        self.busy_hours.add(minute // 60)
        found = (
            int((request.at - minute * _MINUTE) * 1000),
            key,
            min(_MOST_WORD, int(request.seconds * 1000)),
            min(_MOST_WORD, request.size),
            request.client,
            self._path(request) if request.client else -1,
        )
        if self.recent is not None:
            self.recent.add(minute, found)
        if minute % self.stride == 0:
            _append(self.minutes, minute, found)
            self.kept += 1
            if self.kept > _MOST_KEPT:
                self._thin_out()

    def _key(self, request: Request) -> int:
        name = (request.method, template(request.path))
        if name not in self.keys and len(self.keys) >= _MOST_ENDPOINTS:
            name = (request.method, "/(other)")
        if name not in self.keys:
            self.keys[name] = len(self.counts)
            self.counts.append(0)
            self.examples.append([])
            self.offered.append(0)
        return self.keys[name]

    def _path(self, request: Request) -> int:
        if request.status >= 400 or (request.path not in self.paths and len(self.paths) >= _MOST_PATHS):
            return -1
        return self.paths.setdefault(request.path, len(self.paths))

    def _example(self, key: int, request: Request) -> None:
        if request.status >= 400 and self.offered[key]:
            return
        if request.status < 400 and not self.offered[key]:
            self.examples[key].clear()  # a failing path stood in until a good one came
        kept = self.examples[key]
        if request.status >= 400:
            kept[:] = kept or [request.path]
            return
        self.offered[key] += 1
        if len(kept) < _EXAMPLES:
            kept.append(request.path)
        elif (place := self.random.randrange(self.offered[key])) < _EXAMPLES:
            kept[place] = request.path

    def _thin_out(self) -> None:
        if self.recent is None:
            self.recent = _Busiest(self.minutes)
        while self.kept > _MOST_KEPT // 2 and self.stride < 1 << 20:
            self.stride *= 2
            self.minutes = {minute: kept for minute, kept in self.minutes.items() if minute % self.stride == 0}
            self.kept = sum(len(kept.offsets_ms) for kept in self.minutes.values())


def _in_order(start: int, kept: _Arrays | None) -> Minute:
    """A minute's requests by their arrival: logs are ordered by completion, and several logs are not at all."""
    if kept is None:
        return Minute(start, array("H"), array("H"))
    order = sorted(range(len(kept.offsets_ms)), key=kept.offsets_ms.__getitem__)
    return Minute(start, *(array(one.typecode, [one[place] for place in order]) for one in kept))


def fit(requests: Iterable[Request], *, seed: int = 0) -> TrafficModel:
    """Learn from a log in one pass; raises NothingToDo when it holds no request."""
    fitting = _Fitting(seed)
    for request in requests:
        fitting.add(request)
    if not fitting.requests:
        raise NothingToDo(
            "the access log holds no request", why="there is no traffic to learn from", fix="name a log of a busy day"
        )
    return TrafficModel(
        requests=fitting.requests,
        first=fitting.first,
        last=fitting.last,
        endpoints=_endpoints(fitting),
        hours=_hours(fitting),
        paths=tuple(fitting.paths),
        kept_peak=_kept_peak(fitting),
    )


def _endpoints(fitting: _Fitting) -> tuple[Endpoint, ...]:
    weights: Counter[str] = Counter()
    for (_, path), key in fitting.keys.items():
        weights[path] += fitting.counts[key]
    templates = Templates(weights)
    return tuple(
        Endpoint(
            method=method,
            template=templates.of(path),
            count=fitting.counts[key],
            examples=tuple(fitting.examples[key]),
        )
        for (method, path), key in fitting.keys.items()
    )


def _hours(fitting: _Fitting) -> dict[int, tuple[Minute, ...]]:
    """Minutes by hour of day; quiet minutes between busy ones count, cut-off ones at the log's ends do not."""
    first, last = int(fitting.first // _MINUTE), int(fitting.last // _MINUTE)
    if last - first >= 2:
        first, last = first + 1, last - 1
    hours: dict[int, list[Minute]] = {}
    for hour in sorted(fitting.busy_hours):
        for minute in range(max(first, hour * 60), min(last, hour * 60 + 59) + 1):
            if minute % fitting.stride == 0:
                hours.setdefault(hour % 24, []).append(_in_order(minute, fitting.minutes.get(minute)))
    busy = {hour: tuple(kept) for hour, kept in hours.items() if any(len(one.offsets_ms) for one in kept)}
    return busy or _all_kept(fitting)


def _kept_peak(fitting: _Fitting) -> tuple[Minute, ...]:
    found = fitting.recent.peak() if fitting.recent is not None else {}
    return tuple(_in_order(minute, found.get(minute)) for minute in range(min(found, default=0), max(found, default=-1) + 1))


def _all_kept(fitting: _Fitting) -> dict[int, tuple[Minute, ...]]:
    """A log shorter than the trimming of its ends: use what there is."""
    hours: dict[int, list[Minute]] = {}
    for minute, kept in sorted(fitting.minutes.items()):
        hours.setdefault(minute // 60 % 24, []).append(_in_order(minute, kept))
    return {hour: tuple(kept) for hour, kept in hours.items()}
