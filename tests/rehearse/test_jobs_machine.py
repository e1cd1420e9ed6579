"""Jobs due in the window on a real clone: its own cron and timers fire them, and what they did is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.sweep import locked
from tests.rehearse.cloning import mirror_of

from fulldress.adapters import nspawn
from fulldress.adapters.scope import Scope
from fulldress.model.plan import Step
from fulldress.model.rehearsal import Act, FiredJob
from fulldress.model.release import Declared, Release, Window
from fulldress.rehearse import clones
from fulldress.rehearse.jobs import NOT_DUE, jobs_act, jobs_check, wanted_jobs
from fulldress.rehearse.setting import quiet
from fulldress.store.blobs import BlobStore

pytestmark = [pytest.mark.machine, pytest.mark.timeout(300), pytest.mark.usefixtures("as_root")]

CRON = """SHELL=/bin/bash
10 3 * * * root date '+clock \\%H:\\%M'; echo made > /srv/report; curl -s https://api.partner.example/v2/ping; cat%from stdin
10 3 * * * root echo it is broken >&2; exit 7
*/5 * * * * nobody true
"""
TIMER = "[Timer]\nOnCalendar=*-*-* 03:10\n[Install]\nWantedBy=timers.target\n"
SERVICE = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo swept; exit 3'\n"
EVERY = "[Timer]\nOnBootSec=30d\nOnUnitActiveSec=10min\n"


def file(number: int, path: str, content: str) -> Step:
    return Step(id=f"{number:02}", kind="files", title=path, params={"path": path, "content": content})


STEPS = (
    file(1, "/etc/cron.d/own", CRON),
    file(2, "/etc/cron.d/e2scrub_all", "# switched off\n"),
    file(3, "/etc/systemd/system/own.timer", TIMER),
    file(4, "/etc/systemd/system/own.service", SERVICE),
    file(5, "/etc/systemd/system/every.timer", EVERY),
    file(6, "/etc/systemd/system/every.service", SERVICE.replace("exit 3", "true")),
    Step(
        id="07",
        kind="script",
        title="timers",
        params={"content": "systemctl daemon-reload; systemctl start own.timer every.timer", "undo": "true"},
    ),
)


@pytest.fixture(scope="module")
def act(base_root: Path, scratch: Path, keeper: Scope, tmp_path_factory: pytest.TempPathFactory) -> Act:
    mirror, there = mirror_of(base_root), tmp_path_factory.mktemp("jobs")
    estate = Declared(timezone="UTC", base_url="file:///etc/hostname")
    setting = quiet(
        f"jobs-{keeper.id}",
        Release(name="r", estate=estate, window=Window(start="2026-11-28T02:50", minutes=60)),
        mirror,
        blobs=BlobStore(there / "blobs"),
        directory=there / "rehearsal",
        engine_dir=there / "engine",
        scratch=scratch,
        keeper=keeper,
        driver=clones.TreeDriver("overlay", scratch, keeper, nspawn.boot),
    )
    span = wanted_jobs(setting)
    assert span is not None
    return jobs_act(setting, locked(mirror.host, STEPS, setting.blobs), span)


def job(act: Act, name: str) -> FiredJob:
    return next(one for one in act.jobs if one.name == name)


def test_cron_fires_at_the_shifted_hour_and_what_the_job_did_is_seen(act: Act) -> None:
    ping = job(act, "/etc/cron.d/own:2")
    assert (ping.code, ping.output.splitlines()[0]) == (0, "clock 03:10")
    assert "from stdin" in ping.output
    assert "/srv/report" in ping.writes
    assert [(call.protocol, call.endpoint, call.path) for call in ping.calls] == [
        ("https", "api.partner.example:443", "/v2/ping")
    ]


def test_how_a_job_of_cron_and_of_a_timer_ended_is_known(act: Act) -> None:
    assert (job(act, "/etc/cron.d/own:3").code, job(act, "/etc/cron.d/own:3").output) == (7, "it is broken\n")
    assert (job(act, "own.timer").code, job(act, "own.timer").output) == (3, "swept\n")


def test_what_no_clock_fires_is_started_directly_and_that_is_said(act: Act) -> None:
    every = job(act, "every.timer")
    assert every.code == 0
    assert every.trouble.startswith("started directly")


def test_a_job_that_the_plan_switched_off_is_not_due_any_more(act: Act) -> None:
    off = job(act, "/etc/cron.d/e2scrub_all:2")
    assert (off.fired, off.trouble) == (0, NOT_DUE)


def test_new_failures_turn_the_row_red(act: Act) -> None:
    check = jobs_check(act)
    assert (check.judgement, check.measured) == ("fail", "5 fired, 2 failed, first: /etc/cron.d/own:3")
