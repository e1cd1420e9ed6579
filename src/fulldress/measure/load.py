"""From single requests to a :class:`LoadReport`: buckets over time, endpoints, outage. Pure; no I/O.

Both a rehearsal (whose generator knows when each request was due) and a run (which reads production's access log) build
their report here, so the two can be compared. Latency counts from when the request was due.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from fulldress.model.rehearsal import EndpointLoad, LoadBucket, LoadReport, LoadShard

SLOW_MS = 1000.0
FINE_BUCKET = 0.1
COARSE_BUCKET = 1.0
_FINE_UP_TO = 300.0
"""Seconds of load that are still drawn in tenths."""
_MOST_BUCKETS = 20_000
_MOST_ENDPOINTS = 2_000
_APART_S = 2.0
OTHER = "(other endpoints)"
_LATE_MS = 1.0
"""A request that left later than this measures the generator too."""
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
    failure: str = ""
    """Why it failed, when that is not told by the status."""


class _Slice:
    __slots__ = ("failed", "latencies", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.latencies = array("d")


class _Requests:
    """When each request of an endpoint was due and over, and whether it was bad."""

    __slots__ = ("bad", "dues", "ends")

    def __init__(self) -> None:
        self.dues, self.ends, self.bad = array("d"), array("d"), bytearray()

    def run(self) -> float:
        return bad_run(zip(self.dues, self.ends, map(bool, self.bad), strict=True)) if any(self.bad) else 0.0


def bucket_seconds_for(seconds: float) -> float:
    """A tenth of a second for short loads, a second for long ones, more when there would be too many."""
    if seconds <= _FINE_UP_TO:
        return FINE_BUCKET
    return max(COARSE_BUCKET, seconds / _MOST_BUCKETS)


def is_failed(status: int) -> bool:
    """No answer (0, or a client that gave up) or a server error."""
    return status == 0 or status >= 500 or status == _CLIENT_GAVE_UP


def _kind(status: int) -> str:
    if status == _CLIENT_GAVE_UP:
        return "client-gave-up"
    return "server-error" if status else "no-answer"


def report(
    outcomes: Iterable[Outcome],
    *,
    source: str,
    started: float,
    ended: float,
    slow_ms: float = SLOW_MS,
    held_back: int = 0,
    shards: Sequence[LoadShard] = (),
) -> LoadReport:
    """The report of a load that lasted from ``started`` to ``ended`` (epoch seconds).

    Percentiles are exact, and cover requests that were answered or timed out; a refused connection has no latency and
    counts as failed.
    """
    seen = _Seen(started, bucket_seconds_for(ended - started), slow_ms)
    for one in outcomes:
        seen.add(one)
    p50, p99, worst = _latencies(seen.whole)
    lags = sorted(seen.lags)
    runs = {name: requests.run() for name, requests in seen.requests.items()}
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
        lag_p50_ms=_ms(nearest_rank(lags, 0.5)),
        lag_p99_ms=_ms(nearest_rank(lags, 0.99)),
        generator_limited=round(sum(lag > _LATE_MS for lag in lags) / max(1, len(lags)), 6),
        failures=dict(sorted(seen.failures.items())),
        held_back=held_back,
        shards=tuple(shards),
        outage_seconds=round(outage(seen.dues, seen.answers, ended), 3),
        endpoint_outage_seconds=round(runs.get(hit, 0.0), 3),
        worst_endpoint=hit if runs.get(hit) else "",
        buckets=tuple(_bucket(started + place * seen.width, seen.slices[place]) for place in sorted(seen.slices)),
        endpoints={name: _endpoint(seen.endpoints[name], runs[name]) for name in sorted(seen.endpoints)},
    )


def punctuality(load: LoadReport) -> str:
    """What a reader must know of the generator itself, in a sentence or two."""
    late = "none" if not load.generator_limited else f"{load.generator_limited:.2%}"
    said = (
        f"Of {load.scheduled} requests the generator sent {late} more than a millisecond late "
        f"(lag p50 {load.lag_p50_ms:g} ms, p99 {load.lag_p99_ms:g} ms)."
    )
    if load.held_back:
        said += f" {load.held_back} waited because all its connections were in use."
    return said


def nearest_rank(ordered: Sequence[float], fraction: float) -> float:
    """The smallest value that at least this fraction of the sorted ones do not exceed; 0 when there is none.

    A report tells "nothing was measured" by a count of 0 beside it.
    """
    return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)] if ordered else 0.0


class _Seen:
    """Everything counted so far, as a whole, per slice of time and per endpoint."""

    def __init__(self, started: float, width: float, slow_ms: float) -> None:
        self.started, self.width, self.slow_ms = started, width, slow_ms
        self.whole, self.lags = _Slice(), array("d")
        self.slices: dict[int, _Slice] = {}
        self.endpoints: dict[str, _Slice] = {}
        self.requests: dict[str, _Requests] = {}
        self.failures: Counter[str] = Counter()
        self.completed = self.waited = 0
        self.dues, self.answers = array("d"), array("d")
        """``answers``: when good answers were complete."""

    def add(self, one: Outcome) -> None:
        """Count a request."""
        due, latency, status = one.due, one.latency, one.status
        failed = bool(one.failure) or is_failed(status)
        name = one.endpoint
        if name not in self.endpoints:
            name = self._new(name)
        place = max(0, int((due - self.started) / self.width))
        part = self.slices.get(place)
        if part is None:
            part = self.slices[place] = _Slice()
        slow = False
        for each in (self.whole, part, self.endpoints[name]):
            each.sent += 1
            each.failed += failed
            if latency is not None:
                each.latencies.append(latency * 1000)
        end = due
        if latency is not None:
            end += latency
            slow = latency * 1000 > self.slow_ms
            if not failed:
                self.answers.append(end)
        if failed:
            self.failures[one.failure or _kind(status)] += 1
        self.lags.append(max(0.0, one.lag * 1000))
        self.completed += status not in (0, _CLIENT_GAVE_UP)
        self.waited += slow
        requests = self.requests[name]
        requests.dues.append(due)
        requests.ends.append(end)
        requests.bad.append(failed or slow)
        self.dues.append(due)

    def _new(self, name: str) -> str:
        if len(self.endpoints) >= _MOST_ENDPOINTS:
            name = OTHER
        self.endpoints.setdefault(name, _Slice())
        self.requests.setdefault(name, _Requests())
        return name


def _ms(value: float) -> float:
    return round(value, 3)


def _bucket(start: float, part: _Slice) -> LoadBucket:
    p50, p99, worst = _latencies(part)
    return LoadBucket(start=round(start, 3), sent=part.sent, failed=part.failed, p50=p50, p99=p99, worst=worst)


def _endpoint(part: _Slice, run: float) -> EndpointLoad:
    p50, p99, worst = _latencies(part)
    return EndpointLoad(sent=part.sent, failed=part.failed, p50=p50, p99=p99, worst=worst, outage_seconds=round(run, 3))


def _latencies(part: _Slice) -> tuple[float, float, float]:
    ordered = sorted(part.latencies)
    return _ms(nearest_rank(ordered, 0.5)), _ms(nearest_rank(ordered, 0.99)), _ms(ordered[-1] if ordered else 0.0)


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
