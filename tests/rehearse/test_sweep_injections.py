"""Which faults are put where, and how they are packed into passes."""

from __future__ import annotations

from collections import Counter

from tests.rehearse.sweeping import plan

from fulldress.model.faults import Injection
from fulldress.rehearse.injections import Item, halts, halves, injections, pack, points, prefixes, sooner
from fulldress.rehearse.wanted import MOMENTS, Wanted

STEPS = ["a", "b", "c"]
PLAN = plan(*STEPS)


def one(step: str, fault: str = "kill-runner", moment: str = "inside", phase: str = "do", **more: object) -> Injection:
    return Injection(step=step, phase=phase, moment=moment, fault=fault, **more)  # type: ignore[arg-type]


def test_every_moment_of_every_step_forward_and_back() -> None:
    found = injections(PLAN, Wanted(crash=MOMENTS, faults=("kill-runner",)))
    resumed = [i for i in found if i.recovery == "resume"]
    assert Counter((i.phase, i.moment) for i in resumed) == {(p, m): 3 for p in ("do", "undo") for m in MOMENTS}
    assert [i.step for i in resumed if (i.phase, i.moment) == ("undo", "before")] == ["c", "b", "a"]


def test_each_step_is_also_rolled_back_at_once_after_a_crash_inside() -> None:
    found = injections(PLAN, Wanted(crash=MOMENTS, faults=("power-cut", "kill-step")))
    direct = [(i.step, i.moment, i.fault) for i in found if i.recovery == "rollback"]
    assert direct == [(step, "inside", "power-cut") for step in STEPS]


def test_a_twelve_step_plan_gets_more_than_a_hundred() -> None:
    twelve = plan(*(f"s{n}" for n in range(12)))
    assert len(injections(twelve, Wanted(crash=MOMENTS))) == 12 * (2 * (3 + 1 + 3) + 1)


def test_the_processes_of_a_step_are_killed_only_inside_it() -> None:
    found = injections(PLAN, Wanted(crash=MOMENTS, faults=("kill-step",)))
    assert {i.moment for i in found} == {"inside"}


def test_nothing_is_broken_inside_an_undo_that_does_nothing() -> None:
    found = injections(plan("a", "b!", "c="), Wanted(crash=("inside",), faults=("kill-runner",)))
    assert {i.step for i in found if i.phase == "undo"} == {"a"}
    assert {i.step for i in found if i.phase == "do"} == {"a", "b", "c"}


def test_points_lie_evenly_inside() -> None:
    assert points(1) == (0.5,)
    assert points(4) == (0.125, 0.375, 0.625, 0.875)
    found = injections(PLAN, Wanted(crash=("inside", "after"), faults=("kill-runner",), points=4))
    assert Counter((i.moment, i.recovery) for i in found if i.phase == "do" and i.step == "a") == {
        ("inside", "resume"): 4,
        ("after", "resume"): 1,
        ("inside", "rollback"): 1,
    }


def test_a_plan_is_rolled_back_when_nobody_can_tell_whether_a_step_was_done() -> None:
    lock = plan("a", "b?", "c=")
    assert not halts(one("a", "power-cut"), lock), "its effect can be verified"
    assert halts(one("b", "power-cut"), lock)
    assert not halts(one("b", "kill-runner"), lock), "the step goes on without the runner"
    assert not halts(one("c", "power-cut"), lock), "a check is simply asked again"
    assert not halts(one("b", "power-cut", phase="undo"), lock)
    assert halts(one("a", recovery="rollback"), lock)


def test_packed_passes_hold_everything_once() -> None:
    wanted = injections(PLAN, Wanted(crash=MOMENTS, faults=("kill-runner", "kill-step", "power-cut", "disk-full"), points=2))
    packed = [i for item in pack(wanted, PLAN) for i in item.injections]
    assert sorted(map(repr, packed)) == sorted(map(repr, wanted))


def test_no_two_faults_at_one_moment_of_a_step_and_a_full_disk_alone() -> None:
    wanted = injections(PLAN, Wanted(crash=MOMENTS, faults=("kill-runner", "power-cut", "disk-full"), points=3))
    for item in pack(wanted, PLAN):
        places = [(i.phase, i.step, i.moment) for i in item.injections]
        assert len(places) == len(set(places))
        assert len({i.fault == "disk-full" for i in item.injections}) == 1


def test_nothing_lies_behind_the_fault_that_turns_the_plan_round() -> None:
    wanted = injections(PLAN, Wanted(crash=MOMENTS, faults=("kill-runner",)))
    turning = [item for item in pack(wanted, PLAN) if any(i.recovery == "rollback" for i in item.injections)]
    assert len(turning) == 3, "one each"
    for item in turning:
        (turn,) = (i for i in item.injections if i.recovery == "rollback")
        for other in item.injections:
            if other.phase == "do" and other is not turn:
                when = (STEPS.index(other.step), MOMENTS.index(other.moment))
                assert when < (STEPS.index(turn.step), MOMENTS.index(turn.moment))
            elif other.phase == "undo":
                assert STEPS.index(other.step) <= STEPS.index(turn.step)


def test_a_pass_is_no_longer_than_it_may_be() -> None:
    wanted = injections(PLAN, Wanted(crash=MOMENTS, faults=("kill-runner",)))
    assert max(len(item.injections) for item in pack(wanted, PLAN, most=4)) == 4


def test_the_rollback_after_the_last_step_is_the_rehearsals_own_act() -> None:
    assert [item.stop_after for item in prefixes(Wanted(undo_at=("a", "c")), PLAN)] == ["a"]


def test_a_pass_taken_apart_is_played_on_fresh_clones() -> None:
    item = Item(injections=(one("a"), one("b"), one("c")))
    assert [([i.step for i in part.injections], part.fresh) for part in halves(item)] == [(["a"], True), (["b", "c"], True)]
    assert len(halves(Item(injections=(one("a"),)))) == 1


def test_sooner_is_sooner() -> None:
    assert sooner(one("a", point=0.5)).point == 0.125
