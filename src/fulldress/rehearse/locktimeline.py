"""One timeline of what stood in the way: statement, lock, table, how long, who waited, which requests suffered. Pure.

Joins what several witnesses saw: the lock trace (kernel probes or samples), the server's log and its event trigger, and the
load generator's single requests. Process numbers are not compared, because each witness numbers them in its own way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from fulldress.formats.pglog import LoggedDdl, LoggedWait
from fulldress.model.rehearsal import LockHold, LockImpact, LockWait
from fulldress.rehearse.intervals import CONFLICTS, MODES, STRONG

SLACK_S = 0.02
"""Clocks of two witnesses of one machine agree, but a sampler looks only now and then."""
MOST = 200
_NUMBER = {name: number for number, name in enumerate(MODES) if name}


class Request(Protocol):
    """One request of the load; seconds, ``due`` since the epoch."""

    @property
    def due(self) -> float:
        """When it should have left."""
        ...

    @property
    def latency(self) -> float | None:
        """None without an answer."""
        ...

    @property
    def status(self) -> int:
        """Of the answer; 0 without one."""
        ...

    @property
    def endpoint(self) -> str:
        """``GET /api/results/{id}``."""
        ...


def timeline(
    traced: Sequence[LockHold],
    tracer: str,
    waits: Iterable[LoggedWait],
    changes: Iterable[LoggedDdl],
    requests: Iterable[Request],
    *,
    name: Callable[[int], str],
    slow_s: float,
) -> list[LockImpact]:
    """The strong locks that somebody waited for or that were held while requests suffered, the worst first.

    ``tracer`` names the method of ``traced`` (its entries with ``waited`` are also the waits of ordinary queries).
    """
    logged = [_LogWait(wait, name(wait.relation)) for wait in waits]
    holds, sources = _with_changes(traced, tracer, changes, name)
    suffering = sorted((r for r in requests if _suffered(r, slow_s)), key=lambda request: request.due)
    waiting = [hold for hold in traced if hold.waited]
    found = []
    for hold in holds:
        behind, confirmed = _behind(hold, waiting, logged)
        seen = [*sources[id(hold)], *(["server log"] if confirmed else [])]
        found.append(_impact(hold, behind, tuple(seen), suffering))
    worth = [impact for impact in found if impact.waits or impact.lock.waiters or impact.slowed or impact.failed]
    return sorted(worth, key=_badness)[:MOST]


class _LogWait(msgspec.Struct, frozen=True):
    wait: LoggedWait
    relation: str


def _badness(impact: LockImpact) -> tuple[float, float, float]:
    longest = max((wait.waited for wait in impact.waits), default=0.0)
    return -(impact.slowed + impact.failed), -longest, impact.lock.at


def _suffered(request: Request, slow_s: float) -> bool:
    return _failed(request) or (request.latency or 0.0) > slow_s


def _failed(request: Request) -> bool:
    return request.latency is None or request.status == 0 or request.status >= 500


def _with_changes(
    traced: Sequence[LockHold], tracer: str, changes: Iterable[LoggedDdl], name: Callable[[int], str]
) -> tuple[list[LockHold], dict[int, list[str]]]:
    """Strong holds of the trace, confirmed by the event trigger, and those that only the trigger saw (a lower bound)."""
    holds = [hold for hold in traced if _NUMBER.get(hold.mode, 0) >= STRONG and (hold.held or hold.waiters)]
    sources = {id(hold): [tracer] for hold in holds}
    for change in changes:
        for relation, mode in change.locks:
            known = [h for h in holds if h.relation == name(relation) and h.mode == mode and _during(change.ended, h)]
            for hold in known:
                if "ddl trigger" not in sources[id(hold)]:
                    sources[id(hold)].append("ddl trigger")
            if not known:
                added = LockHold(
                    at=change.at,
                    relation=name(relation),
                    mode=mode,
                    waited=0.0,
                    held=round(change.ended - change.at, 6),
                    backend=change.backend,
                    statement=change.statement,
                )
                holds.append(added)
                sources[id(added)] = ["ddl trigger"]
    return holds, sources


def _during(at: float, hold: LockHold) -> bool:
    return hold.at - SLACK_S <= at <= hold.at + hold.waited + hold.held + SLACK_S


def _behind(hold: LockHold, waiting: Sequence[LockHold], logged: Sequence[_LogWait]) -> tuple[list[LockWait], bool]:
    """Who queued behind a lock, by both witnesses, and whether the server's log knows of it."""
    # a lock that is itself waited for blocks those who come later, so the queue begins when it was asked for
    end = hold.at + hold.waited + hold.held
    seen = [
        LockWait(at=other.at, waited=other.waited, backend=other.backend, statement=other.statement)
        for other in waiting
        if other is not hold and _queues(other.mode, other.relation, other.at, hold, end)
    ]
    confirmed = False
    for one in logged:
        if not _queues(one.wait.mode, one.relation, one.wait.at, hold, end):
            continue
        if not any(abs(w.at - one.wait.at) < SLACK_S and abs(w.waited - one.wait.waited) < 2 * SLACK_S for w in seen):
            if abs(one.wait.at - hold.at) < SLACK_S and one.wait.mode == hold.mode:
                continue  # its own wait
            wait = one.wait
            seen.append(LockWait(at=wait.at, waited=wait.waited, backend=wait.backend, statement=wait.statement))
        confirmed = True
    return sorted(seen, key=lambda wait: wait.at), confirmed


def _queues(mode: str, relation: str, at: float, hold: LockHold, end: float) -> bool:
    conflict = _NUMBER.get(hold.mode, 0) in CONFLICTS.get(_NUMBER.get(mode, 0), ())
    return conflict and relation == hold.relation and hold.at - SLACK_S <= at < end


def _impact(hold: LockHold, behind: list[LockWait], sources: tuple[str, ...], suffering: Sequence[Request]) -> LockImpact:
    """Requests count while somebody waited; a request that only fell into the same seconds as a quiet lock does not."""
    spans = _merged([(wait.at, wait.at + wait.waited) for wait in behind])
    hit = [r for r in suffering if any(r.due < end and r.due + (r.latency or 0.0) > start for start, end in spans)]
    failed = sum(_failed(request) for request in hit)
    worst = Counter(request.endpoint for request in hit)
    return LockImpact(
        lock=hold if hold.waiters >= len(behind) else msgspec.structs.replace(hold, waiters=len(behind)),
        waits=tuple(behind[:MOST]),
        slowed=len(hit) - failed,
        failed=failed,
        endpoints=tuple(endpoint for endpoint, _ in worst.most_common(10)),
        sources=sources,
    )


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
