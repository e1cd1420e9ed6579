"""The row that judges fired jobs, and what belongs to which job."""

from __future__ import annotations

from typing import Any

import pytest

from fulldress.model.plan import StepTiming
from fulldress.model.rehearsal import Act, FiredJob, OutsideCall
from fulldress.rehearse.cronlog import started
from fulldress.rehearse.jobs import AS_BEFORE, NOT_DUE, during, jobs_check


def job(**fields: Any) -> FiredJob:
    usual: dict[str, Any] = {
        "name": "j",
        "kind": "cron",
        "command": "x",
        "due": 1.0,
        "fired": 100.0,
        "seconds": 1.0,
        "code": 0,
    }
    return FiredJob(**{**usual, **fields})


@pytest.mark.parametrize(
    ("jobs", "judgement"),
    [
        ([job()], "pass"),
        ([], "pass"),
        ([job(code=2)], "fail"),
        ([job(code=2, trouble=f"{AS_BEFORE}; due 3 times")], "pass"),
        ([job(fired=0.0, code=None)], "inconclusive"),
        ([job(code=None, trouble="still running after 120 s")], "inconclusive"),
        ([job(fired=0.0, code=None, trouble=NOT_DUE)], "pass"),
    ],
)
def test_only_new_failures_are_red_and_silence_is_not_green(jobs: list[FiredJob], judgement: str) -> None:
    assert jobs_check(Act(name="jobs", title="t", steps=(), jobs=tuple(jobs))).judgement == judgement


def test_a_plan_that_did_not_go_through_gives_no_data() -> None:
    step = StepTiming(id="01", title="t", kind="script", phase="do", started=1, ended=2, code=1)
    assert jobs_check(Act(name="jobs", title="t", steps=(step,))).judgement == "no-data"


def test_calls_belong_to_the_job_that_ran_and_names_give_way_to_what_followed() -> None:
    calls = [
        OutsideCall(at=at, protocol=protocol, endpoint=endpoint)
        for at, protocol, endpoint in (
            (99.0, "https", "early:443"),
            (100.1, "dns", "a:53"),
            (100.2, "https", "a:443"),
            (100.3, "dns", "b:53"),
            (103.0, "https", "late:443"),
        )
    ]
    assert [call.endpoint for call in during(calls, job())] == ["a:443", "b:53"]


def test_cron_s_log_tells_begin_end_and_exit_code() -> None:
    lines = [
        b'{"MESSAGE":"(root) CMD ([105] echo 5%; false)","_PID":"104","__REALTIME_TIMESTAMP":"1000000"}',
        b'{"MESSAGE":"(CRON) error (grandchild #105 failed with exit status 4)","__REALTIME_TIMESTAMP":"2000000"}',
        b'{"MESSAGE":"(root) END ([105] echo 5%; false)","__REALTIME_TIMESTAMP":"2500000"}',
        b'{"MESSAGE":[1,2],"__REALTIME_TIMESTAMP":"2500000"}',
    ]
    (one,) = started(b"\n".join(lines))
    assert (one.began, one.ended, one.code, one.parent) == (1.0, 2.5, 4, "104")
    assert one.is_of("root", "echo 5\\%; false%input")
    assert not one.is_of("lims", "echo 5\\%; false")
