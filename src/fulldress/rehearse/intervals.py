"""From single events or samples to lock holds: who asked, who waited, who held how long, who queued behind.

Pure. Two sources give the same intervals: exact calls (rehearse/uprobes.py) and samples of ``pg_locks``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from fulldress.model.rehearsal import LockHold
from fulldress.rehearse.uprobes import Event

MODES = (
    "",
    "AccessShare",
    "RowShare",
    "RowExclusive",
    "ShareUpdateExclusive",
    "Share",
    "ShareRowExclusive",
    "Exclusive",
    "AccessExclusive",
)
STRONG = 4
"""From this mode on (ShareUpdateExclusive) a lock is taken by maintenance and schema changes, not by plain queries."""
CONFLICTS = {1: {8}, 2: {7, 8}, 3: {5, 6, 7, 8}, 4: {4, 5, 6, 7, 8}, 5: {3, 4, 6, 7, 8}, 6: {3, 4, 5, 6, 7, 8}}
CONFLICTS |= {7: {2, 3, 4, 5, 6, 7, 8}, 8: {1, 2, 3, 4, 5, 6, 7, 8}}
LONGEST_TEXT = 300
NO_WAIT_S = 0.001
"""A wait shorter than this is the server's bookkeeping (parallel workers joining their leader's lock)."""


class Interval(msgspec.Struct, kw_only=True):
    """One lock of one backend, on the clock of its source. ``got`` is None while (or because) it never was granted."""

    pid: int
    relation: int
    mode: int
    asked: float
    got: float | None
    end: float | None = None
    waited: bool = False
    session: bool = False
    count: int = 1
    text: str = ""


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One row of ``pg_locks`` at one moment; relation 0 means that nothing was held or waited for."""

    at: float
    pid: int
    relation: int
    mode: int
    granted: bool
    text: str = ""


def from_events(events: Iterable[Event], database: int, end: float) -> list[Interval]:
    """Intervals of one database from calls in the order of time; what is open at ``end`` ends there."""
    backends: dict[int, _Backend] = {}
    for event in events:
        backends.setdefault(event.pid, _Backend(event.pid, database)).take(event)
    found = [interval for backend in backends.values() for interval in backend.finish(end)]
    return sorted(found, key=lambda interval: interval.asked)


class _Backend:
    """What one server process holds and waits for, call by call."""

    def __init__(self, pid: int, database: int) -> None:
        self.pid, self.database = pid, database
        self.open: dict[tuple[int, int, bool], Interval] = {}
        self.waiting: Interval | None = None
        self.done: list[Interval] = []
        self.acts: dict[str, Callable[[Event], None]] = {
            "acq": self.asks,
            "slp": self.sleeps,
            "wok": self.wakes,
            "rlr": self.releases,
            "rel": self.releases_all,
        }

    def take(self, event: Event) -> None:
        if event.kind in ("acq", "slp", "rlr") and event.database != self.database:
            return
        self.acts[event.kind](event)

    def asks(self, event: Event) -> None:
        key = (event.relation, event.mode, event.session)
        if key in self.open:
            self.open[key].count += 1
        else:
            self.open[key] = self.new(event, got=event.at)

    def new(self, event: Event, got: float | None) -> Interval:
        return Interval(
            pid=self.pid,
            relation=event.relation,
            mode=event.mode,
            asked=event.at,
            got=got,
            session=event.session,
            text=event.text[:LONGEST_TEXT],
        )

    def sleeps(self, event: Event) -> None:
        asked = [i for i in self.open.values() if (i.relation, i.mode, i.count) == (event.relation, event.mode, 1)]
        self.waiting = asked[-1] if asked else self.new(event, got=None)
        self.waiting.waited, self.waiting.got = True, None

    def wakes(self, event: Event) -> None:
        waited, self.waiting = self.waiting, None
        if waited is None:
            return
        if event.mode == 0:
            waited.got = event.at
        if waited.mode < STRONG or waited.got is None:
            self.ends(waited, event.at)
        else:  # its request may have been made before the trace began
            self.open.setdefault((waited.relation, waited.mode, waited.session), waited)

    def ends(self, interval: Interval, at: float) -> None:
        """A wait that is no hold (an ordinary query's, or one that failed); a strong one ends with its transaction."""
        if interval not in self.open.values():
            self.close(interval, at)

    def releases(self, event: Event) -> None:
        key = (event.relation, event.mode, event.session)
        interval = self.open.get(key)
        if interval is not None:
            interval.count -= 1
            if interval.count == 0:
                self.close(self.open.pop(key), event.at)

    def releases_all(self, event: Event) -> None:
        if self.waiting is not None:
            self.ends(self.waiting, event.at)
            self.waiting = None
        for key in [key for key in self.open if event.session or not key[2]]:
            self.close(self.open.pop(key), event.at)

    def close(self, interval: Interval, at: float) -> None:
        interval.end = at
        self.done.append(interval)

    def finish(self, end: float) -> list[Interval]:
        if self.waiting is not None:
            self.ends(self.waiting, end)
        for interval in self.open.values():
            self.close(interval, end)
        return self.done


def from_samples(samples: Iterable[Sample]) -> list[Interval]:
    """Intervals from samples in the order of time; a lock ends half-way to the first sample that lacks it."""
    open_: dict[tuple[int, int, int], Interval] = {}
    found: list[Interval] = []
    last = None
    for at, batch in _batches(samples):
        seen = {(s.pid, s.relation, s.mode): s for s in batch if s.relation}
        half = at if last is None else (at + last) / 2
        for key in [key for key in open_ if key not in seen]:
            found.append(open_.pop(key))
            found[-1].end = half
        for key, sample in seen.items():
            interval = open_.get(key)
            if interval is None:
                interval = Interval(pid=sample.pid, relation=sample.relation, mode=sample.mode, asked=half, got=None)
                interval.text = sample.text[:LONGEST_TEXT]
                open_[key] = interval
            if not sample.granted:
                interval.waited = True
            elif interval.got is None:
                interval.got = half
        last = at
    for interval in open_.values():
        interval.end = last
    return sorted([*found, *open_.values()], key=lambda interval: interval.asked)


def _batches(samples: Iterable[Sample]) -> Iterable[tuple[float, list[Sample]]]:
    batch: list[Sample] = []
    for sample in samples:
        if batch and batch[0].at != sample.at:
            yield batch[0].at, batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch[0].at, batch


def holds(
    intervals: Sequence[Interval], name: Callable[[int], str], known: Callable[[int], bool], epoch: float
) -> list[LockHold]:
    """The holds worth telling, oldest first; ``epoch`` is added to the intervals' clock.

    ``known`` says whether a relation was a table before. Left out, unless somebody waited: all other relations (new ones,
    indexes, toast) and vacuum's own locks; and always what lies inside an equal or stronger lock of the same statement
    (parallel workers, a second request in the same transaction).
    """
    by_relation: dict[int, list[Interval]] = {}
    for interval in intervals:
        by_relation.setdefault(interval.relation, []).append(interval)
    found = []
    for interval in intervals:
        others = by_relation[interval.relation]
        waiters = _waiters(interval, others)
        idle = not waiters and not interval.waited
        if idle and (not known(interval.relation) or _maintenance(interval)):
            continue
        if not any(_inside(interval, other) for other in others if other is not interval):
            found.append(_hold(interval, name(interval.relation), waiters, epoch))
    return sorted(found, key=lambda hold: hold.at)


def _maintenance(interval: Interval) -> bool:
    """Vacuum and analyse by the server itself: no client's statement, and the weakest of the strong locks."""
    return interval.text.startswith("autovacuum:") or (not interval.text and interval.mode == STRONG)


def _waiters(interval: Interval, others: Iterable[Interval]) -> int:
    """Backends that began to wait for a conflicting lock while this one was asked for or held."""
    end = interval.end if interval.end is not None else float("inf")
    behind = {
        other.pid
        for other in others
        if other.waited
        and other.pid != interval.pid
        and interval.asked <= other.asked < end
        and interval.mode in CONFLICTS[other.mode]
    }
    return len(behind)


def _inside(inner: Interval, outer: Interval) -> bool:
    same = inner.text == outer.text and inner.mode <= outer.mode and _wait(inner) < NO_WAIT_S
    within = outer.asked <= inner.asked and (inner.end or 0) <= (outer.end or 0)
    equal = (outer.asked, outer.end, outer.mode) == (inner.asked, inner.end, inner.mode)
    return same and within and outer.mode >= STRONG and not (equal and outer.pid >= inner.pid)


def _wait(interval: Interval) -> float:
    """Seconds until it was granted, or until it was given up."""
    until = interval.end if interval.got is None else interval.got
    return until - interval.asked if interval.waited and until is not None else 0.0


def _hold(interval: Interval, relation: str, waiters: int, epoch: float) -> LockHold:
    end = interval.asked if interval.end is None else interval.end
    got = end if interval.got is None else interval.got
    return LockHold(
        at=round(interval.asked + epoch, 6),
        relation=relation,
        mode=MODES[interval.mode],
        waited=round(got - interval.asked, 6) if interval.waited else 0.0,
        held=round(end - got, 6) if interval.mode >= STRONG else 0.0,
        backend=interval.pid,
        statement=interval.text,
        waiters=waiters,
    )
