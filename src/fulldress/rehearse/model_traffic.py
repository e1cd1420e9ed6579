"""The nouns of production's traffic: what a model learnt from an access log, and the requests of a schedule. Pure: no I/O.

Only paths that were really asked for are kept, so that the ids in them exist. Requests that change something are left out
of any schedule unless a body for their endpoint was declared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from fulldress.errors import UsageError

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
MOST_PLANNED = 2_000_000
"""Requests in one schedule: it is held in memory."""
PEAK = 10
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
    took_ms: Sequence[int] = ()
    sizes: Sequence[int] = ()
    clients: Sequence[int] = ()
    """Who asked; 0 when the log does not say."""
    paths: Sequence[int] = ()
    """Index into the model's paths; -1 when it is not known any more, or failed."""


class TrafficModel(NamedTuple):
    """What :func:`fit` learnt: endpoints, and whole minutes by hour of the day (UTC)."""

    requests: int
    first: float
    last: float
    endpoints: tuple[Endpoint, ...]
    hours: dict[int, tuple[Minute, ...]]
    paths: tuple[str, ...] = ()
    """The paths that clients asked for, by their number in :class:`Minute`."""
    source: Literal["log", "declared"] = "log"
    kept_peak: tuple[Minute, ...] = ()
    """The busiest ten minutes, when the log was too large to keep all minutes."""

    @property
    def identified(self) -> float:
        """The share of requests of which the log tells whose they were."""
        minutes = [one for kept in self.hours.values() for one in kept]
        total = sum(len(one.offsets_ms) for one in minutes)
        return sum(sum(map(bool, one.clients)) for one in minutes) / max(1, total)

    @property
    def busiest(self) -> int:
        """The hour of the day with the most requests per minute."""
        return max(self.hours, key=lambda hour: (self.per_minute(hour), -hour))

    @property
    def peak(self) -> tuple[Minute, ...]:
        """The minutes of the busiest ten that were logged: what an upgrade at the worst moment would meet."""
        if self.kept_peak:
            return self.kept_peak
        clock: dict[int, list[Minute]] = {}
        for minute in (one for minutes in self.hours.values() for one in minutes):
            clock.setdefault(minute.start // PEAK, []).append(minute)
        return tuple(max(clock.values(), key=lambda minutes: sum(len(one.offsets_ms) for one in minutes)))

    def pool(self, hour: Hour) -> tuple[Minute, ...]:
        """The minutes that a schedule for this hour is drawn from; raises UsageError when it has none."""
        if hour == "peak" and self.source == "log":
            return self.peak
        chosen = self.busiest if isinstance(hour, str) else hour
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


def left_out(model: TrafficModel, writes: Mapping[str, Any] | None = None) -> dict[str, int]:
    """Endpoints of the log (with their counts) that no schedule will hold, because they write and have no body declared."""
    counts: Counter[str] = Counter()
    for endpoint in model.endpoints:
        if endpoint.method not in SAFE_METHODS and endpoint.name not in (writes or {}):
            counts[endpoint.name] += endpoint.count
    return dict(sorted(counts.items()))
