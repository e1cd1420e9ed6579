"""Jobs that are declared over several lines, by what manages a host or runs a program."""

from __future__ import annotations

import pytest

from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.schedules import jobs
from fulldress.scan.samples import context_of


def of(place: str, text: str) -> list[Job]:
    return jobs(context_of({place: text}))


def test_anacron_runs_a_command_every_so_many_days() -> None:
    (job,) = of("a.deb!/etc/anacrontab", "SHELL=/bin/sh\nSTART_HOURS_RANGE=1-5\n7 10 x.weekly /opt/x/bin/push.sh -q\n")
    assert (job.line, job.period, job.command) == (3, 7 * 86400.0, "/opt/x/bin/push.sh -q")


@pytest.mark.parametrize(
    ("place", "text", "line", "schedule", "command"),
    [
        ("m/init.pp", "cron { 'x':\n  command => '/bin/x',\n  hour => 2,\n  minute => 15,\n}\n", 3, "15 2 * * *", "/bin/x"),
        ("r/default.rb", "cron 'x' do\n  minute '5'\n  hour '2'\n  command '/bin/x'\nend\n", 3, "5 2 * * *", "/bin/x"),
        ("s/x.sls", "a:\n  cron.present:\n    - name: /bin/x\n    - minute: 45\n    - hour: 2\n", 5, "45 2 * * *", "/bin/x"),
        ("x.hcl", 'periodic {\n  cron      = "20 2 * * *"\n  time_zone = "Europe/Zurich"\n}\n', 2, "20 2 * * *", ""),
        ("J.cs", 'RecurringJob.AddOrUpdate<R>(\n  "r",\n  j => j.Run(),\n  "50 2 * * *");\n', 4, "50 2 * * *", ""),
        ("J.cs", 'RecurringJob.AddOrUpdate("r", () => Run(), Cron.Daily(2, 30));\n', 1, "30 2 * * *", ""),
        ("N.kt", '    @Scheduled(\n        cron = "0 40 2 * * *",\n    )\n', 2, "0 40 2 * * *", ""),
    ],
)
def test_a_block_becomes_a_job(place: str, text: str, line: int, schedule: str, command: str) -> None:
    (job,) = of(place, text)
    assert (job.line, job.schedule, job.command) == (line, schedule, command)


def test_zones_are_those_of_the_block() -> None:
    (nomad,) = of("x.hcl", 'periodic {\n  cron = "20 2 * * *"\n  time_zone = "Europe/Zurich"\n}\n')
    (local,) = of("J.cs", 'RecurringJob.AddOrUpdate(\n "r", () => Run(), "0 2 * * *",\n TimeZoneInfo.Local);\n')
    assert (nomad.zone, local.zone) == ("Europe/Zurich", "")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("m/init.pp", "cron { 'x':\n  ensure => absent,\n  hour => 2,\n}\n"),
        ("m/init.pp", "# cron { 'x':\n#  hour => 2,\n"),
        ("s/x.sls", "a:\n  cron.present:\n    - name: /bin/x\n    - hour: {{ pillar['h'] }}\n"),
        ("x.hcl", 'periodic {\n  cron = var.when\n}\njob "x" {\n  cron = "0 2 * * *"\n}\n'),
        ("N.kt", '    private val x = settings(\n        cron = "0 40 2 * * *",\n    )\n'),
    ],
)
def test_what_is_absent_a_variable_or_a_comment_is_no_job(place: str, text: str) -> None:
    assert of(place, text) == []
