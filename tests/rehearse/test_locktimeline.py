"""Statement, lock, table, held, who waited, which requests: one line for each lock that stood in the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from fulldress.formats.pglog import LoggedDdl, LoggedWait
from fulldress.model.rehearsal import LockHold, LockImpact
from fulldress.rehearse.locktimeline import timeline

T = 1000.0


class Asked(NamedTuple):
    due: float
    latency: float | None
    status: int
    endpoint: str


def hold(
    at: float = T, *, held: float = 2.0, waited: float = 0.0, mode: str = "AccessExclusive", backend: int = 1
) -> LockHold:
    return LockHold(at=at, relation="public.result", mode=mode, waited=waited, held=held, backend=backend, statement="ALTER")


def waiter(at: float, waited: float, backend: int = 5) -> LockHold:
    return hold(at, held=0.0, waited=waited, mode="AccessShare", backend=backend)


def logged(at: float, waited: float, mode: str = "AccessShare") -> LoggedWait:
    return LoggedWait(at=at, waited=waited, backend=90, mode=mode, relation=1, database=9, granted=True, statement="SELECT")


def changed(ended: float, mode: str = "AccessExclusive") -> LoggedDdl:
    return LoggedDdl(at=T, ended=ended, backend=90, tag="ALTER TABLE", locks=((1, mode),), statement="ALTER TABLE result")


def seen(
    traced: list[LockHold],
    waits: Sequence[LoggedWait] = (),
    changes: Sequence[LoggedDdl] = (),
    requests: Sequence[Asked] = (),
) -> list[LockImpact]:
    return timeline(traced, "uprobes", waits, changes, requests, name=lambda _: "public.result", slow_s=0.5)


def test_who_waited_and_which_requests_were_slow_or_failed_for_it() -> None:
    requests = [
        Asked(T + 0.4, 1.5, 200, "GET /a"), Asked(T + 0.5, 1.4, 200, "GET /a"), Asked(T + 0.6, 1.0, 503, "GET /b"),
        Asked(T + 0.7, None, 0, "GET /b"), Asked(T + 0.8, 0.02, 200, "GET /c"), Asked(T + 9, 2.0, 200, "GET /d"),
    ]  # fmt: skip
    (impact,) = seen([hold(), waiter(T + 0.5, 1.4)], requests=requests)
    assert [w.waited for w in impact.waits] == [1.4]
    assert (impact.slowed, impact.failed, impact.endpoints) == (2, 2, ("GET /a", "GET /b"))
    assert impact.sources == ("uprobes",)


def test_slow_requests_beside_a_lock_that_nobody_waited_for_are_not_its_fault() -> None:
    assert seen([hold()], requests=[Asked(T + 0.4, 1.5, 200, "GET /a")]) == []


def test_a_lock_that_waits_itself_already_blocks_those_behind_it() -> None:
    (impact,) = seen([hold(waited=3.0, held=0.1), waiter(T + 1, 2.1)])
    assert len(impact.waits) == 1


def test_a_mode_that_does_not_conflict_is_no_queue() -> None:
    assert seen([hold(mode="ShareUpdateExclusive"), waiter(T + 0.5, 1.0)]) == []


def test_a_lock_of_another_table_is_no_cause() -> None:
    other = LockHold(at=T + 0.5, relation="public.x", mode="AccessShare", waited=1.0, held=0, backend=5)
    assert seen([hold(), other]) == []


def test_the_server_log_confirms_what_was_traced_and_adds_what_was_missed() -> None:
    (impact,) = seen([hold(), waiter(T + 0.5, 1.4)], [logged(T + 0.505, 1.39), logged(T + 1.0, 0.9)])
    assert [round(w.at - T, 3) for w in impact.waits] == [0.5, 1.0]
    assert impact.sources == ("uprobes", "server log")
    assert impact.lock.waiters == 2


def test_a_locks_own_wait_is_not_somebody_behind_it() -> None:
    assert seen([hold(waited=1.0)], [logged(T + 0.001, 1.0, "AccessExclusive")]) == []


def test_the_ddl_trigger_confirms_a_hold() -> None:
    (impact,) = seen([hold(), waiter(T + 0.5, 1.4)], changes=[changed(T + 1.9)])
    assert impact.sources == ("uprobes", "ddl trigger")


def test_a_lock_that_only_the_trigger_saw_is_told_with_the_least_it_can_have_been_held() -> None:
    (impact,) = seen([waiter(T + 0.5, 1.4)], changes=[changed(T + 1.9)])
    assert (impact.lock.mode, impact.lock.held, impact.sources) == ("AccessExclusive", pytest.approx(1.9), ("ddl trigger",))


def test_the_lock_that_hurt_most_requests_comes_first() -> None:
    late = [hold(T + 50), waiter(T + 50.5, 1.4), hold(), waiter(T + 0.5, 1.4)]
    slow = [Asked(T + 50.6, 1.2, 200, "GET /a")]
    assert [round(i.lock.at - T) for i in seen(late, requests=slow)] == [50, 0]
