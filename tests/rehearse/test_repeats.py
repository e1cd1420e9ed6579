"""Several rehearsals of one plan, put together."""

from __future__ import annotations

import msgspec

from fulldress.model.plan import StepTiming
from fulldress.model.rehearsal import Act, LoadReport, LockHold
from fulldress.rehearse.repeats import expected_locks, step_durations, worst_load


def timing(step: str, phase: str, seconds: float, code: int = 0) -> StepTiming:
    return StepTiming(id=step, title=step, kind="check", phase=phase, started=100.0, ended=100.0 + seconds, code=code)


def hold(step: str, relation: str, mode: str, held: float, waited: float = 0.0) -> LockHold:
    return LockHold(at=1.0, relation=relation, mode=mode, waited=waited, held=held, backend=1, step=step)


def act(*locks: LockHold) -> Act:
    return Act(name="adapted", title="", steps=(), locks=locks)


LOAD = LoadReport(
    source="log",
    started=0,
    seconds=10,
    bucket_seconds=1,
    scheduled=100,
    completed=100,
    failed=0,
    waited=0,
    slow_ms=500,
    p50=1,
    p99=5,
    worst=9,
    lag_p99_ms=0.1,
    outage_seconds=0,
    buckets=(),
)


def test_durations_come_in_the_order_of_the_plan_do_before_undo() -> None:
    timings = [
        timing("b", "undo", 1),
        timing("b", "do", 3),
        timing("a", "do", 1),
        timing("b", "do", 5),
        timing("b", "do", 4),
    ]
    found = step_durations(["a", "b"], timings)
    assert [(d.step, d.phase, d.samples, d.median, d.worst) for d in found] == [
        ("a", "do", (1.0,), 1.0, 1.0),
        ("b", "do", (3.0, 5.0, 4.0), 4.0, 5.0),
        ("b", "undo", (1.0,), 1.0, 1.0),
    ]


def test_a_step_that_failed_is_no_sample() -> None:
    assert step_durations(["a"], [timing("a", "do", 30, code=1)]) == []


def test_the_strongest_lock_and_the_longest_hold_of_all_acts_are_expected() -> None:
    acts = [
        act(hold("m", "result", "ShareUpdateExclusive", 4.0), hold("m", "result", "AccessExclusive", 0.1, 0.2)),
        act(hold("m", "result", "AccessExclusive", 0.3)),
    ]
    (found,) = expected_locks(acts)
    assert (found.step, found.relation, found.mode, found.held, found.waited) == ("m", "result", "AccessExclusive", 4.0, 0.2)


def test_locks_of_no_step_are_not_expected_of_any() -> None:
    assert expected_locks([act(hold("", "result", "Share", 1.0))]) == []


def test_the_worst_of_each_figure_is_held_against_its_limit() -> None:
    slow = msgspec.structs.replace(LOAD, p99=50.0)
    broken = msgspec.structs.replace(LOAD, failed=7, endpoint_outage_seconds=2.0, worst_endpoint="GET /a", lag_p99_ms=3.0)
    found = worst_load([slow, broken])
    assert found is not None
    assert (found.p99, found.failed, found.endpoint_outage_seconds, found.worst_endpoint, found.lag_p99_ms) == (
        50.0,
        7,
        2.0,
        "GET /a",
        3.0,
    )


def test_a_rehearsal_without_requests_is_not_outvoted() -> None:
    assert worst_load([LOAD, msgspec.structs.replace(LOAD, scheduled=0)]) is None
    assert worst_load([]) is None
