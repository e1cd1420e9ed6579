"""The time that a sweep will still take: known soon, and not from rollbacks alone."""

from __future__ import annotations

from tests.rehearse.sweeping import plan

from fulldress.model.faults import Fault, Injection
from fulldress.model.plan import StepTiming
from fulldress.rehearse.forecast import EACH_FAULT_S, EACH_PASS_S, Forecast, mixed
from fulldress.rehearse.injections import Item, Played


def faults(number: int, fault: Fault = "kill-runner") -> Item:
    one = Injection(step="0", phase="do", moment="inside", fault=fault)
    return Item(injections=(one,) * number)


def rollback(step: str = "0") -> Item:
    return Item(stop_after=step)


def took(seconds: float) -> Played:
    return Played(seconds=seconds, state="rolled-back")


def forecast(*seconds: float) -> Forecast:
    """Of a plan of steps 0, 1, ... that took so many seconds each, forward and back together."""
    lock = plan(*map(str, range(len(seconds))))
    steps = [
        StepTiming(id=str(n), title="", kind="script", phase="do", started=0, ended=each, code=0)
        for n, each in enumerate(seconds)
    ]
    return Forecast(lock, steps)


def test_many_faults_in_one_pass_do_not_count_as_many_rollbacks() -> None:
    known = forecast(10, 10)
    many, one = known.left([faults(30)], 1), known.left([faults(1)], 1)
    assert one < many < 4 * one


def test_a_rollback_from_far_on_takes_longer_than_one_from_the_first_step() -> None:
    known = forecast(1, 50)
    assert known.left([rollback("0")], 1) == EACH_PASS_S + 1
    assert known.left([rollback("1")], 1) == EACH_PASS_S + 51


def test_a_fault_after_which_the_plan_is_undone_ends_the_way_there() -> None:
    halting = Item(injections=(Injection(step="0", phase="do", moment="inside", fault="kill-runner", recovery="rollback"),))
    assert forecast(1, 50).weight(halting) == EACH_PASS_S + EACH_FAULT_S + 1


def test_passes_tell_how_fast_this_machine_is_and_workers_share() -> None:
    known = forecast(10, 10)
    before = known.left([rollback("1")], 1)
    known.took(rollback("0"), took(2 * (EACH_PASS_S + 10)))
    assert known.left([rollback("1")], 1) == 2 * before
    assert known.left([rollback("1")], 4) == before / 2
    assert known.left([], 1) == 0


def test_a_pass_that_was_not_played_tells_nothing() -> None:
    known = forecast(10)
    before = known.left([rollback("0")], 1)
    known.took(rollback("0"), Played(state="not-run"))
    assert known.left([rollback("0")], 1) == before


def test_both_kinds_are_met_soon_and_full_disks_last() -> None:
    full = faults(2, "disk-full")
    rollbacks, passes = [rollback(str(n)) for n in range(9)], [faults(30), full, faults(29), faults(28)]
    order = mixed(rollbacks, passes)
    assert sorted(map(str, order)) == sorted(map(str, [*rollbacks, *passes]))
    assert order[-1] is full
    assert [index for index, item in enumerate(order[:-1]) if item.injections] == [1, 5, 9]
    assert mixed([], passes[:1]) == passes[:1]
    assert mixed(rollbacks, []) == rollbacks
