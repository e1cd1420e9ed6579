"""Scheduled work in a package: where it is written, and what it ends up running."""

from __future__ import annotations

from fulldress.scan.callgraph import run_by
from fulldress.scan.samples import context_of
from fulldress.scan.schedules import jobs


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
