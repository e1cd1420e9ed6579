"""The verdict of a rehearsal: what was not measured is never green."""

from __future__ import annotations

import msgspec
import pytest

from fulldress.model.plan import StepTiming
from fulldress.model.proof import Difference, Proof
from fulldress.model.rehearsal import Act, Check, EndpointLoad, Judgement, LoadReport, SideEffect
from fulldress.model.release import Objectives
from fulldress.rehearse.setting import NO_LOAD
from fulldress.rehearse.verdict import (
    contained_check,
    declared_checks,
    load_checks,
    outside_check,
    overall,
    proof_check,
    recorded_check,
    step_check,
)

LOAD = LoadReport(
    source="log", started=0, seconds=10, bucket_seconds=1, scheduled=1000, completed=1000, failed=0, waited=0,
    slow_ms=500, p50=5, p99=40, worst=80, lag_p99_ms=0.2, outage_seconds=0.0, buckets=(),
)  # fmt: skip


def judgements(checks: list[Check]) -> dict[str, Judgement]:
    return {check.name: check.judgement for check in checks}


def check(word: Judgement) -> Check:
    return Check(name="x", judgement=word, measured="", limit="")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "no-data"),
        (["pass", "pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["no-data", "inconclusive", "pass"], "no-data"),
        (["no-data", "fail", "pass"], "fail"),
    ],
)
def test_the_worst_check_decides(words: list[Judgement], expected: Judgement) -> None:
    assert overall(check(w) for w in words) == expected


def test_a_calm_load_passes_every_limit() -> None:
    assert set(judgements(load_checks(LOAD, Objectives())).values()) == {"pass"}


@pytest.mark.parametrize(
    ("field", "value", "name", "word"),
    [
        ("failed", 11, "failed requests under load", "fail"),
        ("p99", 1000.5, "p99 latency under load", "fail"),
        ("outage_seconds", 5.1, "longest outage of all at once", "fail"),
        ("endpoint_outage_seconds", 5.1, "longest outage of an endpoint", "fail"),
        ("lag_p99_ms", 51.0, "the load generator's own lag, p99", "inconclusive"),
    ],
)
def test_each_limit_can_fail(field: str, value: float, name: str, word: Judgement) -> None:
    checks = judgements(load_checks(msgspec.structs.replace(LOAD, **{field: value}), Objectives()))
    assert checks.pop(name) == word
    assert set(checks.values()) == {"pass"}


@pytest.mark.parametrize("load", [None, msgspec.structs.replace(LOAD, scheduled=0)])
def test_no_load_is_no_data(load: LoadReport | None) -> None:
    assert overall(load_checks(load, Objectives())) == "no-data"


def timing(step: str, code: int | None) -> StepTiming:
    return StepTiming(id=step, title=step, kind="check", phase="do", started=0, ended=1, code=code)


@pytest.mark.parametrize(
    ("steps", "expected", "word"),
    [
        ([timing("a", 0), timing("b", 0)], 2, "pass"),
        ([timing("a", 0)], 2, "fail"),
        ([timing("a", 0), timing("b", 1)], 2, "fail"),
        ([timing("a", None)], 1, "fail"),
        ([], 0, "no-data"),
    ],
)
def test_steps_pass_only_when_all_are_known_good(steps: list[StepTiming], expected: int, word: Judgement) -> None:
    assert step_check("steps", steps, expected).judgement == word


def proof(**changes: object) -> Proof:
    return msgspec.structs.replace(
        Proof(equal=True, before={}, after={}, counted={"file": 3}, differences=(), allowed=()), **changes
    )


def test_rollback_is_proven_by_comparison_only() -> None:
    difference = Difference(part="rows", name="public.result", before="a", after="b")
    assert proof_check(proof()).judgement == "pass"
    assert proof_check(None).judgement == "no-data"
    assert proof_check(proof(counted={})).judgement == "no-data"
    failed = proof_check(proof(equal=False, differences=(difference,)))
    assert failed.judgement == "fail"
    assert "rows public.result" in failed.measured


def test_an_open_side_effect_fails_and_is_named() -> None:
    effect = SideEffect(kind="webhook", endpoint="hooks.example:80", method="POST", path="/v1", resource="wh_1")
    assert outside_check([]).judgement == "pass"
    assert outside_check([msgspec.structs.replace(effect, closed=True)]).judgement == "pass"
    left = outside_check([effect])
    assert left.judgement == "fail"
    assert "webhook at hooks.example:80" in left.measured


@pytest.mark.parametrize(
    ("counted", "word"),
    [
        ([(), ()], "pass"),
        ([(), ("203.0.113.5:443/tcp",)], "fail"),
        ([(), None], "no-data"),
    ],
)
def test_what_slipped_past_the_sink_is_never_green(counted: list[tuple[str, ...] | None], word: Judgement) -> None:
    acts = [Act(name="a", title="a", steps=(), unrecorded=one) for one in counted]
    found = recorded_check(acts)
    assert found.judgement == word
    if word == "fail":
        assert "203.0.113.5:443/tcp" in found.measured


def test_what_had_to_be_contained_fails_and_is_named_once() -> None:
    calm = Act(name="a", title="", steps=())
    wild = Act(name="b", title="", steps=(), contained=("step x rebooted the machine",))
    assert contained_check([calm]).judgement == "pass"
    found = contained_check([calm, wild, wild])
    assert (found.judgement, found.measured) == ("fail", "1 had to be contained, first: step x rebooted the machine")


def test_the_first_of_each_part_is_named_and_of_rows_one_by_its_key() -> None:
    differences = (
        Difference(part="file", name="/a", before="x", after="y"),
        Difference(part="file", name="/b", before="x", after="y"),
        Difference(part="rows", name="d: t", before="2 rows, sum 1", after="2 rows, sum 2"),
        Difference(part="rows", name="d: t id=7", before="there", after="differs in n"),
        Difference(part="rows", name="d: t id=8", before="there", after="absent"),
    )
    measured = proof_check(proof(equal=False, differences=differences)).measured
    assert measured.endswith("5 differ, first: file /a; rows d: t id=7")


def declared(report: LoadReport, **endpoints: tuple[int, int]) -> Check:
    """The row of ``{"a": 30, "b": 30}`` requests a minute; ``endpoints``: sent, failed."""
    found = {
        name: EndpointLoad(sent=sent, failed=failed, p50=1, p99=2, worst=3) for name, (sent, failed) in endpoints.items()
    }
    (row,) = declared_checks(
        [(msgspec.structs.replace(report, endpoints=found), NO_LOAD._replace(declared={"a": 30.0, "b": 30.0}))], Objectives()
    )
    return row


def test_side_effects_that_nobody_recorded_are_not_closed() -> None:
    assert outside_check([]).judgement == "pass"
    assert outside_check([], recorded=False).judgement == "no-data"


MINUTES = msgspec.structs.replace(LOAD, seconds=600, scheduled=600, completed=600)


def test_declared_traffic_that_was_reached_is_a_row_of_its_own() -> None:
    row = declared(MINUTES, a=(300, 0), b=(300, 0))
    assert (row.judgement, row.measured, row.limit) == ("pass", "60 requests a minute, 0 of 600 failed", "60 a minute")


def test_declared_traffic_that_could_not_be_sent_is_not_green() -> None:
    slow = msgspec.structs.replace(MINUTES, scheduled=400, completed=400)
    assert declared(slow, a=(200, 0), b=(200, 0)).judgement == "inconclusive"
    row = declared(MINUTES, a=(600, 0))
    assert (row.judgement, row.measured.rpartition("; ")[2]) == ("inconclusive", "never sent: b")


def test_a_declared_endpoint_that_fails_is_red_however_well_the_others_do() -> None:
    row = declared(msgspec.structs.replace(MINUTES, failed=20), a=(580, 0), b=(20, 20))
    assert row.judgement == "fail"
    assert row.measured == "60 requests a minute, 20 of 600 failed, worst: b, 100.0 %"


def test_a_logs_traffic_has_no_such_row_and_the_worst_act_counts() -> None:
    assert declared_checks([(LOAD, NO_LOAD)], Objectives()) == []
    load = NO_LOAD._replace(declared={"a": 60.0})
    bad = msgspec.structs.replace(MINUTES, scheduled=100)
    assert declared_checks([(MINUTES, load), (bad, load)], Objectives())[0].judgement == "inconclusive"
