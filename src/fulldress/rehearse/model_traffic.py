"""A model of production's traffic, fitted to its access log, and schedules drawn from it. Pure: no I/O.

Whole real minutes of the log are resampled, so that its bursts survive; more load than real is several such minutes laid
over each other. Only paths that were really asked for are used, so that the ids in them exist. Requests that change
something are left out unless a body for their endpoint was declared.
"""

from __future__ import annotations

import random
import uuid
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from fulldress.errors import NothingToDo, UsageError
from fulldress.formats.accesslog import Request, Templates, template

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
MOST_PLANNED = 2_000_000
"""Requests in one schedule: it is held in memory."""
_MOST_KEPT = 2_000_000
_MOST_ENDPOINTS = 50_000
_EXAMPLES = 48
_MINUTE = 60
_PEAK = 10
"""Minutes: an hour would dilute the start of a shift, one minute would be noise."""


Hour = int | Literal["busiest", "peak"]
"""An hour of the day (UTC, all days together), the ``busiest`` of those, or the ``peak``: the busiest ten minutes logged."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of request: method, path template, and paths really asked for (drawn evenly from the requests)."""

    method: str
    template: str
    count: int
    examples: tuple[str, ...]

    @property
    def name(self) -> str:
        """``GET /api/results/{id}``, as reports call it."""
        return f"{self.method} {self.template}"


class Minute(NamedTuple):
    """One real minute: when in it each request arrived (milliseconds), and which endpoint it asked for (index)."""

    start: int
    """Minutes since the epoch."""
    offsets_ms: Sequence[int]
    endpoints: Sequence[int]


class TrafficModel(NamedTuple):
    """What :func:`fit` learnt: endpoints, and whole minutes by hour of the day (UTC)."""

    requests: int
    first: float
    last: float
    endpoints: tuple[Endpoint, ...]
    hours: dict[int, tuple[Minute, ...]]

    @property
    def busiest(self) -> int:
        """The hour of the day with the most requests per minute."""
        return max(self.hours, key=lambda hour: (self.per_minute(hour), -hour))

    @property
    def peak(self) -> tuple[Minute, ...]:
        """The minutes of the busiest ten that were logged: what an upgrade at the worst moment would meet."""
        clock: dict[int, list[Minute]] = {}
        for minute in (one for minutes in self.hours.values() for one in minutes):
            clock.setdefault(minute.start // _PEAK, []).append(minute)
        return tuple(max(clock.values(), key=lambda minutes: sum(len(one.offsets_ms) for one in minutes)))

    def pool(self, hour: Hour) -> tuple[Minute, ...]:
        """The minutes that a schedule for this hour is drawn from; raises UsageError when it has none."""
        if hour == "peak":
            return self.peak
        chosen = self.busiest if hour == "busiest" else hour
        if chosen not in self.hours:
            known = ", ".join(str(one) for one in sorted(self.hours))
            raise UsageError(f"the log has no traffic in hour {chosen} (UTC)", fix=f"choose one of: {known}")
        return self.hours[chosen]

    def per_minute(self, hour: int) -> float:
        """Mean number of requests per minute in that hour."""
        minutes = self.hours[hour]
        return sum(len(one.offsets_ms) for one in minutes) / len(minutes)

    def mix(self, hour: int) -> dict[str, int]:
        """How often each endpoint was asked for in that hour."""
        counts: Counter[str] = Counter()
        for minute in self.hours[hour]:
            counts.update(self.endpoints[index].name for index in minute.endpoints)
        return dict(counts)


class Expect(msgspec.Struct, frozen=True, array_like=True):
    """What an answer must be: a status from ``low`` up to (not including) ``high``, and some bytes in its body."""

    low: int = 100
    high: int = 600
    marker: bytes = b""
    """Looked for in the body's first mebibyte."""


class Take(msgspec.Struct, frozen=True, array_like=True):
    """A value of an answer, kept under a name for the later requests of its session."""

    name: str
    where: Literal["json", "text", "header"]
    what: str
    """``json``: a JSON pointer into the body. ``text``: a regular expression over the body, of which the first group counts.
    ``header``: a header's name."""


class InSession(msgspec.Struct, frozen=True, array_like=True):
    """Ties requests together: each is due ``think_s`` after the end of the one before it in its session.

    The first one of a session is due at its ``at_s``; of the others ``at_s`` only says where they stand in the schedule.
    Cookies that answers set are sent along. ``{{name}}`` in path, header values or body becomes what :class:`Take` kept.
    """

    id: int
    think_s: float = 0.0
    take: tuple[Take, ...] = ()


class Planned(msgspec.Struct, frozen=True, array_like=True):
    """One request that will be sent, ``at_s`` seconds after the start."""

    at_s: float
    method: str
    path: str
    body: bytes | None = None
    endpoint: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    """Besides the usual ones; a ``Content-Type`` replaces that of JSON."""
    expect: Expect | None = None
    session: InSession | None = None


class _Fitting:
    """State of one pass over a log, bounded in memory: a stride over minutes doubles when too much is kept."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.keys: dict[tuple[str, str], int] = {}
        self.counts: list[int] = []
        self.examples: list[list[str]] = []
        self.offered: list[int] = []
        self.minutes: dict[int, tuple[array[int], array[int]]] = {}
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
        if minute % self.stride:
            return
        offsets, endpoints = self.minutes.setdefault(minute, (array("H"), array("H")))
        offsets.append(int((request.at - minute * _MINUTE) * 1000))
        endpoints.append(key)
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
        while self.kept > _MOST_KEPT // 2 and self.stride < 1 << 20:
            self.stride *= 2
            self.minutes = {minute: kept for minute, kept in self.minutes.items() if minute % self.stride == 0}
            self.kept = sum(len(offsets) for offsets, _ in self.minutes.values())


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
                offsets, endpoints = fitting.minutes.get(minute, (array("H"), array("H")))
                hours.setdefault(hour % 24, []).append(Minute(minute, offsets, endpoints))
    busy = {hour: tuple(kept) for hour, kept in hours.items() if any(len(one.offsets_ms) for one in kept)}
    return busy or _all_kept(fitting)


def _all_kept(fitting: _Fitting) -> dict[int, tuple[Minute, ...]]:
    """A log shorter than the trimming of its ends: use what there is."""
    hours: dict[int, list[Minute]] = {}
    for minute, (offsets, endpoints) in sorted(fitting.minutes.items()):
        hours.setdefault(minute // 60 % 24, []).append(Minute(minute, offsets, endpoints))
    return {hour: tuple(kept) for hour, kept in hours.items()}


def schedule(
    model: TrafficModel,
    *,
    seconds: float,
    multiple: float = 1.0,
    hour: Hour = "peak",
    seed: int,
    writes: Mapping[str, object] | None = None,
) -> list[Planned]:
    """Requests for so many seconds, drawn from one hour of the model; the same seed gives the same schedule.

    ``multiple`` scales the rate. ``writes`` declares bodies: ``{"POST /api/results": {"value": "{int:1:9}"}}`` with the
    placeholders of :func:`fill`. Raises UsageError when the hour or an endpoint is unknown, or the
    schedule would not fit in memory.
    """
    pool = model.pool(hour)
    expected = sum(len(one.offsets_ms) for one in pool) / len(pool) * seconds / _MINUTE * multiple
    if expected > MOST_PLANNED or not 0 < seconds <= 7 * 86400 or not 0 < multiple < 1e6:
        raise UsageError(
            f"{seconds:g} s at {multiple:g} times the log are about {expected:.0f} requests",
            why=f"one schedule holds at most {MOST_PLANNED}",
            fix="shorten the load or lower the multiple",
        )
    _known(model, writes or {})
    draw = random.Random(seed)
    planned: list[Planned] = []
    minutes = _drawn(pool, draw)
    for begin in range(0, int(-(-seconds // _MINUTE)) * _MINUTE, _MINUTE):
        for at, index in _one_minute(minutes, multiple, draw):
            if begin + at < seconds and (
                one := _planned(model.endpoints[index], begin + at, draw, writes or {}, len(planned))
            ):
                planned.append(one)
    planned.sort(key=lambda one: one.at_s)
    return planned


def _known(model: TrafficModel, writes: Mapping[str, object]) -> None:
    """A body for an endpoint that the log does not have is a misspelling: silently sending nothing would hide it."""
    names = {one.name for one in model.endpoints if one.method not in SAFE_METHODS}
    for name in writes:
        if name not in names:
            raise UsageError(
                f"a body is declared for {name!r}, which the log never saw",
                fix=f"the log's writing endpoints are: {', '.join(sorted(names)) or 'none'}",
            )


def _drawn(minutes: Sequence[Minute], draw: random.Random) -> Iterator[Minute]:
    """Endlessly: every minute once in random order, then all again; so a long schedule has the hour's rate."""
    while True:
        yield from draw.sample(minutes, len(minutes))


def _one_minute(minutes: Iterator[Minute], multiple: float, draw: random.Random) -> Iterable[tuple[float, int]]:
    """``multiple`` real minutes laid over each other; the broken part of it is a minute thinned out."""
    whole, part = int(multiple), multiple - int(multiple)
    for share in [1.0] * whole + ([part] if part > 1e-9 else []):
        minute = next(minutes)
        for offset, index in zip(minute.offsets_ms, minute.endpoints, strict=True):
            if share == 1.0 or draw.random() < share:
                yield (offset + draw.random()) / 1000, index


def _planned(
    endpoint: Endpoint, at: float, draw: random.Random, writes: Mapping[str, object], sequence: int
) -> Planned | None:
    body: bytes | None = None
    if endpoint.method not in SAFE_METHODS:
        if endpoint.name not in writes:
            return None
        body = msgspec.json.encode(fill(writes[endpoint.name], draw, sequence))
    return Planned(round(at, 6), endpoint.method, draw.choice(endpoint.examples), body, endpoint.name)


def fill(value: object, draw: random.Random, sequence: int) -> object:
    """A declared body with its placeholders filled, in strings at any depth.

    ``{seq}`` running number · ``{uuid}`` · ``{int:LOW:HIGH}`` · ``{choice:a|b|c}``. A string that is nothing but ``{seq}``
    or ``{int:…}`` becomes a number.
    """
    if isinstance(value, Mapping):
        return {str(key): fill(item, draw, sequence) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill(item, draw, sequence) for item in value]
    return _fill_text(value, draw, sequence) if isinstance(value, str) else value


def _fill_text(text: str, draw: random.Random, sequence: int) -> object:
    out: list[object] = []
    while (start := text.find("{")) >= 0 and (end := text.find("}", start)) >= 0:
        out += [text[:start], _placeholder(text[start + 1 : end], draw, sequence)]
        text = text[end + 1 :]
    out.append(text)
    filled = [part for part in out if part != ""]
    return filled[0] if len(filled) == 1 else "".join(str(part) for part in filled)


def _placeholder(name: str, draw: random.Random, sequence: int) -> object:
    kind, _, rest = name.partition(":")
    if kind == "seq":
        return sequence
    if kind == "uuid":
        return str(uuid.UUID(int=draw.getrandbits(128), version=4))
    if kind == "choice" and rest:
        return draw.choice(rest.split("|"))
    low, _, high = rest.partition(":")
    if kind == "int" and _whole(low) and _whole(high) and int(low) <= int(high):
        return draw.randint(int(low), int(high))
    raise UsageError(
        f"unknown placeholder {{{name}}} in a declared body", fix="use {seq}, {uuid}, {int:1:9} or {choice:a|b}"
    )


def _whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def left_out(model: TrafficModel, writes: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Endpoints of the log (with their counts) that no schedule will hold, because they write and have no body declared."""
    counts: Counter[str] = Counter()
    for endpoint in model.endpoints:
        if endpoint.method not in SAFE_METHODS and endpoint.name not in (writes or {}):
            counts[endpoint.name] += endpoint.count
    return dict(sorted(counts.items()))
