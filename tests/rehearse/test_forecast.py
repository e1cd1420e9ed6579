"""The time that a sweep will still take: known soon, and not from rollbacks alone."""

from __future__ import annotations

from fulldress.model.faults import Fault, Injection
from fulldress.rehearse.forecast import Forecast, mixed
from fulldress.rehearse.injections import Item, Played


def faults(number: int, fault: Fault = "kill-runner") -> Item:
    one = Injection(step="s", phase="do", moment="inside", fault=fault)
    return Item(injections=(one,) * number)


def rollback(step: str = "s") -> Item:
    return Item(stop_after=step)


def took(seconds: float) -> Played:
    return Played(seconds=seconds, state="rolled-back")


def test_many_faults_in_one_pass_do_not_count_as_many_rollbacks() -> None:
    forecast = Forecast()
    forecast.took(rollback(), took(10))
    forecast.took(faults(30), took(60))
    waiting = [*(rollback() for _ in range(20)), *(faults(30) for _ in range(4))]
    assert forecast.left(waiting, workers=2) == (20 * 10 + 4 * 60) / 2


def test_a_kind_of_which_nothing_is_known_takes_as_long_as_the_other() -> None:
    forecast = Forecast()
    assert forecast.left([rollback()], 1) is None
    forecast.took(rollback(), took(10))
    assert forecast.left([faults(30), faults(30)], 1) == 20
    assert forecast.left([], 1) == 0


def test_a_pass_that_was_not_played_tells_nothing() -> None:
    forecast = Forecast()
    forecast.took(rollback(), Played(state="not-run"))
    assert forecast.left([rollback()], 1) is None


def test_both_kinds_are_met_soon_and_full_disks_last() -> None:
    full = faults(2, "disk-full")
    rollbacks, passes = [rollback(str(n)) for n in range(9)], [faults(30), full, faults(29), faults(28)]
    order = mixed(rollbacks, passes)
    assert sorted(map(str, order)) == sorted(map(str, [*rollbacks, *passes]))
    assert order[-1] is full
    assert [index for index, item in enumerate(order[:-1]) if item.injections] == [1, 5, 9]
    assert mixed([], passes[:1]) == passes[:1]
    assert mixed(rollbacks, []) == rollbacks
