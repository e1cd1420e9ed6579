"""Which jobs fall due in a window, by what a machine says of its schedules."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from fulldress.errors import UsageError
from fulldress.model.release import Declared, Release, Window
from fulldress.rehearse.jobsdue import Due, Schedules, Span, due, waves, window

ZONE = ZoneInfo("Europe/Vienna")
SPAN = Span(datetime(2026, 11, 29, 2, 30, tzinfo=ZONE), 60)  # a Sunday
NOW = datetime(2026, 11, 22, 4, 0)  # UTC, a Sunday


def asked(*parts: tuple[str, str], runs: str = "cron", zone: str = "Europe/Vienna") -> Schedules:
    """``parts``: kind and place, text."""
    every = [(f"zone /usr/share/zoneinfo/{zone}", ""), (f"runs {runs}", ""), *parts]
    return due("".join(f"@@ {head}\n{text}\n" for head, text in every), "@@", SPAN)


def clock(job: Due) -> list[str]:
    return [datetime.fromtimestamp(at, ZONE).strftime("%H:%M") for at in job.moments]


def test_a_crontab_s_jobs_within_the_window_and_no_others() -> None:
    table = (
        "0 3 * * * root in\n30 3 * * * root at-its-end\n31 3 * * * root after\n0 3 * * 1 root monday\n@reboot root boot\n"
    )
    found = asked(("system /etc/cron.d/x", table)).due
    assert [(one.command, clock(one)) for one in found] == [("in", ["03:00"]), ("at-its-end", ["03:30"])]
    assert found[0].name == "/etc/cron.d/x:1"


def test_a_repeated_job_is_one_job_with_many_moments() -> None:
    (found,) = asked(("system /etc/crontab", "*/15 * * * * root x\n")).due
    assert clock(found) == ["02:30", "02:45", "03:00", "03:15", "03:30"]


def test_a_user_s_crontab_names_its_user_and_its_variables() -> None:
    (found,) = asked(("user /var/spool/cron/crontabs/lims", "A='b c'\n0 3 * * * x\nA=later\n")).due
    assert (found.user, found.settings) == ("lims", {"A": "b c"})


def test_run_parts_over_an_empty_directory_is_no_job() -> None:
    table = "17 3 * * * root run-parts --report /etc/cron.hourly\n18 3 * * * root run-parts --report /etc/cron.daily\n"
    found = asked(("system /etc/crontab", table), ("parts /etc/cron.hourly", ""), ("parts /etc/cron.daily", "/x")).due
    assert [one.name for one in found] == ["/etc/crontab:2"]


def test_the_machine_s_own_zone_decides() -> None:
    (found,) = asked(("system /etc/crontab", "0 2 * * * root x\n"), zone="Etc/UTC").due
    assert clock(found) == ["03:00"]


def test_without_cron_its_tables_fire_nothing_and_that_is_said() -> None:
    found = asked(("system /etc/crontab", "0 3 * * * root x\n"), runs="atd")
    assert not found.due
    assert "No cron runs" in found.notes[0]


TIMERS = """Unit=a.service
TimersCalendar={ OnCalendar=*-*-* 03:00:00 ; next_elapse=n/a }
Id=a.timer
ActiveState=active

Unit=b.service
TimersMonotonic={ OnBootUSec=15min ; next_elapse=0 }
TimersMonotonic={ OnUnitActiveUSec=10min ; next_elapse=0 }
Id=b.timer
ActiveState=active

Unit=c.service
TimersCalendar={ OnCalendar=*-*-* 03:00:00 ; next_elapse=n/a }
Id=c.timer
ActiveState=inactive

Unit=d.service
TimersCalendar={ OnCalendar=*-*-* 03:10:00 America/Lima ; next_elapse=n/a }
Id=d.timer
ActiveState=active

Unit=e.service
TimersCalendar={ OnCalendar=*-*-* 02:05:00 UTC ; next_elapse=n/a }
Id=e.timer
ActiveState=active"""


def test_timers_by_calendar_and_by_interval_but_not_those_that_are_off() -> None:
    found = {one.name: one for one in asked(("timers -", TIMERS)).due}
    assert set(found) == {"a.timer", "b.timer", "e.timer"}
    assert clock(found["e.timer"]) == ["03:05"]
    assert not found["a.timer"].direct
    assert "interval" in found["b.timer"].direct
    assert "zone of its own" in found["e.timer"].direct


def test_an_at_job_by_the_name_of_its_file() -> None:
    minutes = int(SPAN.begin // 60) + 5
    script = "#!/bin/sh\n# atrun uid=1\n${SHELL:-/bin/sh} << 'marcinDELIMITER1'\ndo-it\n\nmarcinDELIMITER1"
    parts = [(f"at /var/spool/cron/atjobs/a00001{at:08x}", f"lims\n{script}") for at in (minutes, minutes + 600)]
    (found,) = asked(*parts, runs="atd").due
    assert (found.user, found.command, clock(found)) == ("lims", "do-it", ["02:35"])


def test_anacron_s_jobs_when_it_is_called_and_their_days_are_over() -> None:
    table = "@monthly 15 cron.monthly run-parts m\n7 10 cron.weekly run-parts w\n"
    stamps = [("stamp /var/spool/anacron/cron.monthly", "20261120"), ("stamp /var/spool/anacron/cron.weekly", "20261120")]
    caller = ("system /etc/cron.d/anacron", "30 2 * * * root /usr/sbin/anacron -s\n")
    found = [one for one in asked(("anacron /etc/anacrontab", table), *stamps, caller).due if one.kind == "anacron"]
    assert [(one.starts, clock(one)) for one in found] == [("cron.weekly", ["02:30"])]
    assert not asked(("anacron /etc/anacrontab", table), *stamps).due


def test_one_shift_fires_as_many_as_possible() -> None:
    found = asked(("system /etc/crontab", "*/15 * * * * root often\n0 3 * * * root once\n20 3 * * * root later\n")).due
    shifts, left = waves(found, ZONE, NOW)
    assert [[job.command for job in shift.jobs] for shift in shifts] == [["often", "once"], ["later"]]
    assert not left


def test_the_date_is_another_one_only_when_no_zone_reaches_the_real_one() -> None:
    found = asked(("system /etc/crontab", "0 3 * * * root x\n")).due
    (shift,), _ = waves(found, ZONE, datetime(2026, 11, 28, 20, 0))
    assert shift.wall == datetime(2026, 11, 29, 3, 0)
    (shift,), _ = waves(found, ZONE, NOW)
    assert (shift.wall.hour, abs((shift.wall - NOW).total_seconds()) < 86_400) == (3, True)


def test_a_job_of_one_weekday_gets_that_weekday_or_is_left() -> None:
    found = asked(("system /etc/crontab", "0 3 * * 0 root x\n")).due
    (shift,), _ = waves(found, ZONE, NOW)
    assert shift.wall.isoweekday() == 7
    assert waves(found, ZONE, datetime(2026, 11, 25, 12, 0)) == ([], list(found))


def test_a_window_that_cannot_be_read_is_refused() -> None:
    release = Release(name="r", window=Window(start="soon"), estate=Declared(hosts=("local",)))
    with pytest.raises(UsageError, match="soon"):
        window(release)
