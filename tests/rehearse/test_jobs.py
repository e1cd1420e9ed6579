"""The row that judges fired jobs, and what belongs to which job."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from fulldress.adapters.chroot import ChrootHost
from fulldress.model.plan import StepTiming
from fulldress.model.rehearsal import Act, FiredJob, OutsideCall
from fulldress.rehearse.cronlog import started
from fulldress.rehearse.jobs import AS_BEFORE, NOT_DUE, ONLY_AS_IT_CAME, AsItCame, during, jobs_check, vendors
from fulldress.rehearse.jobsdue import Due, Schedules, Span


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


SPAN = Span(datetime(2026, 11, 28, 2, 50, tzinfo=ZoneInfo("UTC")), 60)
NIGHTLY = Due(kind="cron", name="/etc/cron.d/own:1", command="own", moments=(1.0,), schedule="0 3 * * *")
IMPORT = Due(kind="cron", name="/etc/cron.d/import:1", command="import", moments=(2.0,), schedule="0 3 * * *")


def schedules(*jobs: Due) -> Schedules:
    return Schedules(ZoneInfo("UTC"), jobs, ())


def came(*jobs: Due) -> AsItCame:
    made = AsItCame(SPAN)
    made.due = jobs
    return made


def test_a_job_that_only_the_package_as_it_came_brings_is_listed_and_does_not_count() -> None:
    (row,) = vendors(schedules(NIGHTLY), schedules(NIGHTLY), came(NIGHTLY, IMPORT))
    assert (row.name, row.fired, row.trouble) == ("/etc/cron.d/import:1", 0.0, ONLY_AS_IT_CAME)
    assert jobs_check(Act(name="jobs", title="t", steps=(), jobs=(job(), row))).measured == "1 fired, 0 failed"


def test_a_job_that_is_due_anyway_or_that_the_adapted_package_brings_too_is_not() -> None:
    assert vendors(schedules(NIGHTLY), schedules(), came(NIGHTLY)) == []
    assert vendors(schedules(), schedules(IMPORT), came(IMPORT)) == []
    assert vendors(schedules(), schedules(), None) == []


def test_a_clone_that_the_package_wrecked_leaves_it_unknown_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    looking = AsItCame(SPAN)
    assert "is not known" in looking.look(ChrootHost(tmp_path))
    assert looking.due is None
