"""What follows from the results of passes, and the rows of the verdict."""

from __future__ import annotations

import msgspec
from tests.rehearse.sweeping import plan
from tests.rehearse.test_sweep_injections import one

from fulldress.model.faults import Injection, Sweep, UndoneFrom
from fulldress.model.plan import StepTiming
from fulldress.model.proof import Difference
from fulldress.rehearse.injections import Item, Played
from fulldress.rehearse.tally import MOST_AGAIN, Tally
from fulldress.rehearse.verdict import crash_check, failures, undone_check

PLAN = plan("a", "b", "c")
ROW = Difference(part="rows", name="dten: public.result", before="3 rows, sum 9", after="3 rows, sum 8")


def hit(injection: Injection, *, equal: bool = True, **more: object) -> Injection:
    told = {"fired": True, "ending": "completed", "equal": equal, "evidence": "runner 1 ended by signal 9", **more}
    return msgspec.structs.replace(injection, **told)


def played(*reached: Injection, equal: bool = True, missed: tuple[Injection, ...] = (), **more: object) -> Played:
    differences = () if equal else (ROW,)
    told = {"equal": equal, "differences": differences, "state": "rolled-back", **more}
    return Played(reached=tuple(hit(i, equal=equal, differences=differences) for i in reached), missed=missed, **told)  # type: ignore[arg-type]


def test_an_equal_pass_speaks_for_all_its_faults() -> None:
    tally = Tally(PLAN)
    assert tally.take(Item(injections=(one("a"), one("b"))), played(one("a"), one("b"))) == []
    assert [i.good for i in tally.injections] == [True, True]


def test_a_pass_that_is_not_equal_is_taken_apart_until_one_is_found() -> None:
    tally = Tally(PLAN)
    queue, rounds = [Item(injections=(one("a"), one("b"), one("c")))], 0
    while queue:
        item, rounds = queue.pop(0), rounds + 1
        guilty = any(i.step == "b" for i in item.injections)
        queue += tally.take(item, played(*item.injections, equal=not guilty))
    assert {i.step: i.good for i in tally.injections} == {"a": True, "b": False, "c": True}
    assert rounds == 5, "all, a, bc, b, c"


def test_a_fault_that_was_alone_on_a_used_clone_is_tried_on_a_fresh_one() -> None:
    tally = Tally(PLAN)
    (again,) = tally.take(Item(injections=(one("a"),)), played(one("a"), equal=False))
    assert again.fresh and tally.injections == []
    assert tally.take(again, played(one("a"), equal=False)) == []
    assert [i.good for i in tally.injections] == [False]


def test_what_the_plain_rollback_leaves_too_is_not_searched_for() -> None:
    tally = Tally(PLAN, known=[ROW])
    assert tally.take(Item(injections=(one("a"), one("b"))), played(one("a"), one("b"), equal=False)) == []
    assert [i.good for i in tally.injections] == [False, False]
    assert tally.take(Item(stop_after="a"), played(equal=False)) == []
    assert [u.equal for u in tally.undone] == [False]


def test_faults_behind_a_rollback_are_played_in_another_pass() -> None:
    tally = Tally(PLAN)
    (again,) = tally.take(Item(injections=(one("a"), one("c"))), played(one("a"), missed=(one("c"),)))
    assert [i.step for i in again.injections] == ["c"]
    assert again.again == 0, "the pass got somewhere"


def test_a_step_that_was_over_too_soon_is_hit_sooner_and_not_for_ever() -> None:
    tally = Tally(PLAN)
    done = StepTiming(id="a", title="a", kind="check", phase="do", started=1, ended=1.01, code=0)
    queue, tried = [Item(injections=(one("a", point=0.5),))], []
    while queue:
        item = queue.pop()
        tried.append(item.injections[0].point)
        queue += tally.take(item, played(missed=item.injections, timings=(done,)))
    assert tried[:3] == [0.5, 0.125, 0.0312]
    assert len(tried) == MOST_AGAIN + 1
    assert [i.fired for i in tally.injections] == [False]


def test_a_pass_that_could_not_be_played_is_tried_again_and_then_said() -> None:
    tally = Tally(PLAN)
    queue, rounds = [Item(injections=(one("a"),))], 0
    while queue:
        rounds += 1
        queue += tally.take(queue.pop(), Played(state="not-run", trouble="CloneFailed: no room"))
    assert rounds == MOST_AGAIN + 1
    assert tally.injections[0].trouble == "CloneFailed: no room"


def test_a_rollback_that_is_not_equal_is_shown_on_a_fresh_clone() -> None:
    tally = Tally(PLAN)
    (again,) = tally.take(Item(stop_after="b"), played(equal=False))
    assert again.fresh
    assert tally.take(again, played(equal=True)) == []
    assert [(u.step, u.steps, u.equal) for u in tally.undone] == [("b", 2, True)]


def test_a_dead_item_is_given_up_by_name() -> None:
    tally = Tally(PLAN)
    tally.give_up(Item(stop_after="b"))
    tally.give_up(Item(injections=(one("a"),)))
    assert tally.undone[0].trouble == tally.injections[0].trouble == "its workers died"


def test_the_row_of_rollbacks_names_step_and_row() -> None:
    good = UndoneFrom(step="a", steps=1, equal=True)
    bad = UndoneFrom(step="b", steps=2, equal=False, differences=(ROW,))
    check = undone_check(Sweep(undone=(good, bad)), 2)
    assert check.judgement == "fail"
    assert check.measured == "1 of 2 equal; after b: rows dten: public.result (3 rows, sum 9 -> 3 rows, sum 8)"
    assert undone_check(Sweep(undone=(good,)), 1).judgement == "pass"


def test_a_rollback_that_was_not_played_is_no_pass() -> None:
    lost = UndoneFrom(step="b", steps=2, equal=False, trouble="its workers died")
    assert undone_check(Sweep(undone=(lost,)), 1).judgement == "inconclusive"
    assert undone_check(Sweep(), 2).judgement == "inconclusive"


def test_a_fault_that_did_not_fire_is_inconclusive() -> None:
    check = crash_check(Sweep(injections=(hit(one("a")), one("b"))))
    assert check.judgement == "inconclusive"
    assert check.measured == "1 of 2 fired and equal; 1 did not fire, first kill-runner inside b"


def test_the_row_of_crashes_names_the_culprit() -> None:
    undo = hit(one("b", phase="undo"), equal=False, differences=(ROW,))
    check = crash_check(Sweep(injections=(one("a"), undo)))
    assert check.judgement == "fail"
    assert "kill-runner inside the undo of b: rows dten: public.result" in check.measured


def test_every_failure_is_told_in_a_line() -> None:
    undone = (
        UndoneFrom(step="a", steps=1, equal=True),
        UndoneFrom(step="b", steps=2, equal=False, trouble="its workers died"),
    )
    lost = hit(one("a", moment="after"), effects_left=2)
    assert failures(Sweep(undone=undone, injections=(hit(one("a")), lost, one("b")))) == [
        "rollback after b: its workers died",
        "kill-runner after a: 2 side effects left at third parties",
        "kill-runner inside b: did not fire",
    ]


def test_side_effects_and_repeated_work_are_no_survival() -> None:
    assert "1 side effect left" in crash_check(Sweep(injections=(hit(one("a"), effects_left=1),))).measured
    twice = crash_check(Sweep(injections=(hit(one("a"), repeated=("a",)),)))
    assert (twice.judgement, twice.measured) == ("fail", "0 of 1 fired and equal; kill-runner inside a: done twice: a")


def test_all_fired_and_equal_is_green_and_nothing_at_all_is_not() -> None:
    assert crash_check(Sweep(injections=(hit(one("a")),))).judgement == "pass"
    assert crash_check(Sweep()).judgement == "no-data"
    assert crash_check(Sweep(injections=(hit(one("a")),), notes=("not told apart",))).judgement == "inconclusive"


def test_a_plan_that_does_not_go_through_is_not_swept() -> None:
    note = "nothing was tried: the plan itself did not go through on a quiet clone"
    check = undone_check(Sweep(notes=(note,)), 3)
    assert (check.judgement, check.measured) == ("inconclusive", f"0 of 3 equal; {note}")
    assert crash_check(Sweep(notes=(note,))).judgement != "pass"
