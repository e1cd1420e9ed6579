"""From single requests to a :class:`LoadReport`: buckets over time, endpoints, outage. Pure; no I/O.

Both a rehearsal (whose generator knows when each request was due) and a run (which reads production's access log) build
their report here, so the two can be compared. Latency counts from when the request was due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from fulldress.measure.histogram import Histogram
from fulldress.model.rehearsal import EndpointLoad, LoadBucket, LoadReport

SLOW_MS = 1000.0
FINE_BUCKET = 0.1
COARSE_BUCKET = 1.0
_FINE_UP_TO = 300.0
"""Seconds of load that are still drawn in tenths."""
_MOST_BUCKETS = 20_000
_MOST_ENDPOINTS = 2_000
_APART_S = 2.0
OTHER = "(other endpoints)"
_CLIENT_GAVE_UP = 499
"""What nginx logs when the client went away before it had an answer."""


class Served(Protocol):
    """A request of an access log, as far as the load needs it."""

    @property
    def at(self) -> float:
        """Arrival, seconds since the epoch."""
        ...

    @property
    def seconds(self) -> float:
        """How long it took."""
        ...

    @property
    def method(self) -> str:
        """GET, POST, ..."""
        ...

    @property
    def path(self) -> str:
        """As requested."""
        ...

    @property
    def status(self) -> int:
        """Of the answer."""
        ...


class Outcome(msgspec.Struct, frozen=True):
    """How one due request went."""

    due: float
    """Seconds since the epoch."""
    latency: float | None
    """Seconds from due to the end of the answer, or to the time-out; None when no connection could be had."""
    status: int
    """0 when there was no answer."""
    endpoint: str
    lag: float = 0.0
    """Seconds by which the generator itself was late."""


class _Slice:
    __slots__ = ("failed", "latencies", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.latencies = Histogram()

    def add(self, failed: bool, latency_ms: float | None) -> None:
        self.sent += 1
        self.failed += failed
        if latency_ms is not None:
            self.latencies.add(latency_ms)


def bucket_seconds_for(seconds: float) -> float:
    """A tenth of a second for short loads, a second for long ones, more when there would be too many."""
    if seconds <= _FINE_UP_TO:
        return FINE_BUCKET
    return max(COARSE_BUCKET, seconds / _MOST_BUCKETS)


def is_failed(status: int) -> bool:
    """No answer (0, or a client that gave up) or a server error."""
    return status == 0 or status >= 500 or status == _CLIENT_GAVE_UP


def report(
    outcomes: Iterable[Outcome], *, source: str, started: float, ended: float, slow_ms: float = SLOW_MS
) -> LoadReport:
    """The report of a load that lasted from ``started`` to ``ended`` (epoch seconds).

    Percentiles cover requests that were answered or timed out; a refused connection has no latency and counts as failed.
    """
    seen = _Seen(started, bucket_seconds_for(ended - started), slow_ms)
    for one in outcomes:
        seen.add(one)
    p50, p99, worst = _latencies(seen.whole)
    runs = {name: bad_run(requests) for name, requests in seen.requests.items()}
    hit = max(runs, key=lambda name: runs[name], default="")
    return LoadReport(
        source=source,
        started=started,
        seconds=round(ended - started, 3),
        bucket_seconds=seen.width,
        scheduled=seen.whole.sent,
        completed=seen.completed,
        failed=seen.whole.failed,
        waited=seen.waited,
        slow_ms=slow_ms,
        p50=p50,
        p99=p99,
        worst=worst,
        lag_p99_ms=_ms(seen.lags.or_zero(0.99)),
        outage_seconds=round(outage(seen.dues, seen.answers, ended), 3),
        endpoint_outage_seconds=round(runs.get(hit, 0.0), 3),
        worst_endpoint=hit if runs.get(hit) else "",
        buckets=tuple(_bucket(started + place * seen.width, seen.slices[place]) for place in sorted(seen.slices)),
        endpoints={name: _endpoint(seen.endpoints[name], runs[name]) for name in sorted(seen.endpoints)},
    )


class _Seen:
    """Everything counted so far, as a whole, per slice of time and per endpoint."""

    def __init__(self, started: float, width: float, slow_ms: float) -> None:
        self.started, self.width, self.slow_ms = started, width, slow_ms
        self.whole, self.lags = _Slice(), Histogram()
        self.slices: dict[int, _Slice] = {}
        self.endpoints: dict[str, _Slice] = {}
        self.completed = self.waited = 0
        self.requests: dict[str, list[tuple[float, float, bool]]] = {}
        """Endpoint -> (due, end, bad) of each of its requests."""
        self.dues: list[float] = []
        self.answers: list[float] = []
        """When good answers were complete."""

    def add(self, one: Outcome) -> None:
        """Count a request."""
        failed = is_failed(one.status)
        latency = None if one.latency is None else one.latency * 1000
        name = one.endpoint if one.endpoint in self.endpoints or len(self.endpoints) < _MOST_ENDPOINTS else OTHER
        place = max(0, int((one.due - self.started) / self.width))
        slices = (self.slices.setdefault(place, _Slice()), self.endpoints.setdefault(name, _Slice()))
        for part in (self.whole, *slices):
            part.add(failed, latency)
        self.lags.add(max(0.0, one.lag * 1000))
        self.completed += one.status not in (0, _CLIENT_GAVE_UP)
        slow = latency is not None and latency > self.slow_ms
        self.waited += slow
        self.requests.setdefault(name, []).append((one.due, one.due + (one.latency or 0.0), failed or slow))
        self.dues.append(one.due)
        if not failed and one.latency is not None:
            self.answers.append(one.due + one.latency)


def _ms(value: float) -> float:
    return round(value, 3)


def _bucket(start: float, part: _Slice) -> LoadBucket:
    p50, p99, worst = _latencies(part)
    return LoadBucket(start=round(start, 3), sent=part.sent, failed=part.failed, p50=p50, p99=p99, worst=worst)


def _endpoint(part: _Slice, run: float) -> EndpointLoad:
    p50, p99, worst = _latencies(part)
    return EndpointLoad(sent=part.sent, failed=part.failed, p50=p50, p99=p99, worst=worst, outage_seconds=round(run, 3))


def _latencies(part: _Slice) -> tuple[float, float, float]:
    return _ms(part.latencies.or_zero(0.5)), _ms(part.latencies.or_zero(0.99)), _ms(part.latencies.or_zero(1))


def bad_run(requests: Iterable[tuple[float, float, bool]]) -> float:
    """Longest run (seconds) of consecutive bad requests among (due, end, bad): first due to last end. 0 without any.

    Bad requests further apart than ``_APART_S`` are two runs: nobody asked in between, so nothing is known of it.
    """
    longest = 0.0
    began = until = float("-inf")
    for due, end, bad in sorted(requests):
        if not bad:
            until = float("-inf")
            continue
        if due - until > _APART_S:
            began = until = due
        until = max(until, end)
        longest = max(longest, until - began)
    return longest


def outage(dues: Iterable[float], answers: Iterable[float], ended: float) -> float:
    """Longest stretch (seconds) from a request falling due to the next good answer of any request, or to ``ended``."""
    good = sorted(answers)
    longest = 0.0
    place = 0
    covered = float("-inf")
    for due in sorted(dues):
        if due < covered:
            continue  # inside a stretch that is already measured from its first request
        while place < len(good) and good[place] < due:
            place += 1
        covered = good[place] if place < len(good) else max(ended, due)
        longest = max(longest, covered - due)
    return longest


def from_access_log(
    requests: Iterable[Served],
    started: float,
    ended: float,
    *,
    endpoint: Callable[[str], str],
    source: str = "access log",
    slow_ms: float = SLOW_MS,
) -> LoadReport:
    """The report of production's own traffic between two moments (epoch seconds); ``endpoint`` gives a path's template.

    A log knows nothing of connections that never reached the server: these are missing, and no failure here.
    """
    outcomes = (
        Outcome(
            due=one.at,
            latency=None if one.status == 0 else one.seconds,
            status=one.status,
            endpoint=f"{one.method} {endpoint(one.path)}",
        )
        for one in requests
        if started <= one.at < ended
    )
    return report(outcomes, source=source, started=started, ended=ended, slow_ms=slow_ms)
