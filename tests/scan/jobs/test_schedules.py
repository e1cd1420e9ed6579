"""Scheduled work in a package: where it is written, and what it ends up running."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.scan.chains import run_by

from fulldress.model.release import Declared, Release, Window
from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.schedules import firing_between, jobs, period_of
from fulldress.scan.rule import Sample
from fulldress.scan.rules import schedule_in_window
from fulldress.scan.samples import context_of


def test_jobs_of_all_three_kinds() -> None:
    context = context_of(
        {
            "a.deb!/etc/cron.d/a": "0 3 * * * root /bin/a\n",
            "a.deb!/postinst": "#!/bin/sh\ncat <<EOF > /etc/cron.d/b\n# c\n5 4 * * * root /bin/b\nEOF\n",
            "a.deb!/lib/systemd/system/c.timer": "[Timer]\nOnCalendar=hourly\n",
            "a.deb!/lib/systemd/system/c.service": "[Service]\nExecStart=-/bin/c --x\n",
        }
    )
    assert [(j.place.rpartition("/")[2], j.line, j.schedule, j.command, j.timer) for j in jobs(context)] == [
        ("a", 1, "0 3 * * *", "/bin/a", False),
        ("postinst", 4, "5 4 * * *", "/bin/b", False),
        ("c.timer", 2, "hourly", "/bin/c --x", True),
    ]


def test_a_script_that_only_reads_the_crontab_schedules_nothing() -> None:
    assert jobs(context_of({"a.sh": "#!/bin/sh\ncrontab -l\ncat /etc/cron.d/x\n"})) == []


def test_reached_follows_scripts_and_configuration() -> None:
    context = context_of(
        {
            "a.deb!/usr/bin/a": "#!/bin/sh\nexec /usr/lib/a/run\n",
            "a.deb!/usr/lib/a/run": "#!/usr/bin/python3\nopen('/etc/a.conf')\n",
            "a.deb!/etc/a.conf": "x=1\n",
            "a.deb!/etc/other.conf": "x=1\n",
        }
    )
    assert [r.entry.place.rpartition("!")[2] for r in run_by(context, "cd / && /usr/bin/a x") if r.entry] == [
        "/usr/bin/a",
        "/usr/lib/a/run",
        "/etc/a.conf",
    ]


def test_a_circle_ends() -> None:
    context = context_of({"r/usr/bin/a": "#!/bin/sh\n/usr/bin/b\n", "r/usr/bin/b": "#!/bin/sh\n/usr/bin/a\n"})
    assert len(run_by(context, "/usr/bin/a")) == 2


def job_of(files: dict[str, str], release: Release | None = None) -> Job:
    (job,) = jobs(context_of(Sample(files=dict(files), release=release)))
    return job


def test_files_that_scripts_copy_into_place() -> None:
    job = job_of(
        {"x/install.sh": "#!/bin/sh\ninstall -m 644 cron/app /etc/cron.d/app\n", "x/cron/app": "0 3 * * * app /bin/x\n"}
    )
    assert (job.place, job.line, job.user, job.command) == ("x/cron/app", 1, "app", "/bin/x")


def test_jobs_through_tee_at_and_systemd_run() -> None:
    text = (
        "#!/bin/sh\necho '0 3 * * * root /bin/a' | tee /etc/cron.d/a\necho /bin/b | at 03:00\n"
        "systemd-run --on-calendar='Sun 03:00' /bin/c\n"
    )
    found = jobs(context_of({"up.sh": text}))
    assert [(j.kind, j.schedule, j.command) for j in found] == [
        ("cron", "0 3 * * *", "/bin/a"),
        ("at", "0 3 * * *", "/bin/b"),
        ("timer", "Sun 03:00", "/bin/c"),
    ]


@pytest.mark.parametrize(
    ("place", "text", "kind", "schedule", "zone"),
    [
        ("a.sql", "SELECT cron.schedule('30 2 * * *', $$VACUUM$$);\n", "pg_cron", "30 2 * * *", "UTC"),
        ("a.sql", "SELECT cron.schedule('n', '@daily', 'VACUUM');\n", "pg_cron", "@daily", "UTC"),
        ("sidekiq.yml", ":schedule:\n  n:\n    cron: '30 2 * * *'\n", "cron", "30 2 * * *", ""),
        ("conf.json", '{"Jobs": {"R": { "Cron": "0 22 * * *", "Zone": "x" }}}\n', "program", "0 22 * * *", ""),
        ("schedule.rb", "every 1.day, at: '2:15 am' do\n", "program", "15 2 * * *", ""),
        ("schedule.rb", "every :sunday, at: '11pm' do\n", "program", "0 23 * * 0", ""),
        (
            "a.go",
            'c := cron.New(cron.WithLocation(time.UTC))\nc.AddFunc("30 21 * * *", f)\n',
            "program",
            "30 21 * * *",
            "UTC",
        ),
        ("A.java", '@Scheduled(cron = "0 0 3 * * *", zone = "Europe/Vienna")\n', "spring", "0 0 3 * * *", "Europe/Vienna"),
        ("q.xml", "<cron-expression>0 15 10 ? * 6L</cron-expression>\n", "quartz", "0 15 10 ? * 6L", ""),
        ("b.py", "  'schedule': crontab(minute='*/15', hour=3),\n", "celery", "*/15 3 * * *", "UTC"),
        (
            "k.yaml",
            "kind: CronJob\nspec:\n  timeZone: Europe/Vienna\n  schedule: '0 3 * * *'\n",
            "kubernetes",
            "0 3 * * *",
            "Europe/Vienna",
        ),
        ("i.cmd", "schtasks /create /tn a /tr a.exe /sc weekly /d SUN /st 02:45\n", "windows", "45 2 * * 0", ""),
    ],
)
def test_schedules_in_programs(place: str, text: str, kind: str, schedule: str, zone: str) -> None:
    job = job_of({place: text})
    assert (job.kind, job.schedule, job.zone) == (kind, schedule, zone)


def test_firing_in_a_zone_of_its_own() -> None:
    start = datetime(2026, 11, 29, 2, 30, tzinfo=ZoneInfo("Europe/Vienna"))
    end = datetime(2026, 11, 29, 3, 30, tzinfo=ZoneInfo("Europe/Vienna"))
    cronie = job_of({"x.rpm!/etc/cron.d/a": "CRON_TZ=UTC\n0 2 * * * root /bin/x\n"})
    assert firing_between(cronie, start, end) == datetime(2026, 11, 29, 2, tzinfo=UTC)
    debian = job_of({"x.deb!/etc/cron.d/a": "CRON_TZ=UTC\n0 2 * * * root /bin/x\n"})
    assert firing_between(debian, start, end) is None


def test_a_firing_at_the_edges_counts() -> None:
    start, end = datetime(2026, 11, 29, 2, 30, tzinfo=UTC), datetime(2026, 11, 29, 3, 30, tzinfo=UTC)
    for minute, hour, hit in (("30", "2", True), ("30", "3", True), ("29", "2", False), ("31", "3", False)):
        job = job_of({"etc/cron.d/a": f"{minute} {hour} * * * root /bin/x\n"})
        assert (firing_between(job, start, end) is not None) is hit


def test_a_random_delay_reaches_into_the_window() -> None:
    start, end = datetime(2026, 11, 29, 2, 30, tzinfo=UTC), datetime(2026, 11, 29, 3, 30, tzinfo=UTC)
    job = job_of({"lib/systemd/system/a.timer": "[Timer]\nOnCalendar=02:00\nRandomizedDelaySec=45min\n"})
    assert firing_between(job, start, end) == datetime(2026, 11, 29, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "seconds"), [("*/5 * * * *", 300.0), ("0 */6 * * *", 21600.0), ("0 3 * * *", 0.0), ("0,1 3 * * *", 60.0)]
)
def test_period(schedule: str, seconds: float) -> None:
    assert period_of(job_of({"etc/cron.d/a": f"{schedule} root /bin/x\n"})) == seconds


def test_the_command_of_a_pg_cron_job_ends_where_its_literal_ends() -> None:
    text = "SELECT cron.schedule('n', '0 13 * * 1', 'ANALYZE');\nCREATE SERVER s OPTIONS (host 'old.lab.internal');\n"
    [job] = [j for j in jobs(context_of(Sample(files={"a.sql": text}))) if j.kind == "pg_cron"]
    assert job.command == "ANALYZE"


NIGHTS = [
    ("Europe/Berlin", "2027-03-28T01:15", "30 2 * * *", "03:00 CEST (the clocks skip its time that night, and cron makes"),
    ("Europe/Berlin", "2026-10-25T01:30", "30 2 * * *", "02:30 CEST (that time happens twice, and cron fires at the first)"),
    ("America/New_York", "2026-11-01T01:20-05:00", "*/30 1 * * *", "01:30 EST (that time happens twice, and cron fires"),
    ("Australia/Lord_Howe", "2026-10-04T01:45", "15 2 * * *", "02:30 +11 (the clocks skip its time that night"),
    ("Australia/Lord_Howe", "2026-04-05T01:15", "OnCalendar=01:45", "01:45 +11 (that time happens twice, and systemd"),
    ("Europe/Berlin", "2026-03-30T02:15", "30 2 * * *", "02:30 CEST, in the window 02:15–03:15"),
]  # fmt: skip


@pytest.mark.parametrize(("zone", "start", "schedule", "told"), NIGHTS)
def test_a_firing_on_a_night_of_change_names_the_rule_that_it_was_told_by(
    zone: str, start: str, schedule: str, told: str
) -> None:
    timer = schedule.startswith("On")
    name, text = ("a.timer", f"[Timer]\n{schedule}\n") if timer else ("cron.d/a", f"{schedule} root /bin/a\n")
    release = Release(name="x", estate=Declared(timezone=zone), window=Window(start=start, minutes=60))
    [found] = schedule_in_window.check(context_of(Sample(files={f"etc/{name}": text}, release=release)))
    assert told in found.title


def test_a_job_of_the_day_that_a_zone_skips_is_made_up_for_by_nobody() -> None:
    release = Release(
        name="x", estate=Declared(timezone="Pacific/Apia"), window=Window(start="2011-12-29T23:30", minutes=120)
    )
    files: dict[str, str | bytes] = {
        "etc/cron.d/a": "0 10 * * * root /bin/a\n",
        "etc/a.timer": "[Timer]\nOnCalendar=10:00\n",
    }
    assert list(schedule_in_window.check(context_of(Sample(files=files, release=release)))) == []
