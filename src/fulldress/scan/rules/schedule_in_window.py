"""A job of the package fires inside the maintenance window.

## What it does
Computes the next firings of every cron job and timer of the package in the estate's own time zone and reports those inside
`[window]` of `release.toml`. Where clocks change, each scheduler keeps its own rule, and the finding names it: a time that
is skipped is made up for right after by cron and left out by systemd and Quartz; one that happens twice counts once, but
for cron jobs with a `*` for hour or minute, which follow the clock. cron takes a change of more than three hours (a zone
that skipped a day) as a new time and makes up for nothing.

## Why it matters
The job starts while files, schema and services are between two versions: it reads half-migrated rows, holds locks
that the migration waits for, or restarts what was stopped on purpose.

## Example
```
0 3 * * * app /usr/lib/app/import     # window: 02:30 to 03:30
```

## Fix
Hold the job for the window, or move it. `fulldress adapt` comments a cron job out with the reason; switch it on again after
the run. For a timer it drafts two steps of the plan: one holds it before the upgrade (the package may install, enable and
start it, and it does not fire), one lets it go after it.

## References
- crontab(5), systemd.time(7)
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats.localtime import elapsed, shown
from fulldress.model.finding import Cure, Finding, StepDraft
from fulldress.model.release import Declared, Release, Window
from fulldress.scan.jobs import scheduled_code
from fulldress.scan.jobs.holding import can_be_held, held, is_held
from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.schedules import (
    can_be_silenced,
    clock_remark,
    firing_between,
    idle_under_systemd,
    jobs,
    period_of,
    silenced,
    window_of,
)
from fulldress.scan.reading import edited
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="schedule-in-window",
    family="schedule",
    title="Scheduled job fires inside the maintenance window",
    severity="high",
    confidence="certain",
    needs=("release",),
)
LOOKS_FOR = scheduled_code.LOOKS_FOR


def check(context: Context) -> Iterator[Finding]:
    """One finding for each job with a firing inside the window."""
    window = window_of(context)
    if window is None:
        return
    start, end = window
    for job in jobs(context):
        if idle_under_systemd(job) or (can_be_held(job) and is_held(context, job)):
            continue
        firing = firing_between(job, start, end)
        if firing is not None:
            later = f" or up to {job.delay / 60:.0f} min later" if job.delay else ""
            remark = clock_remark(job, firing)
            when = f"fires at {firing:%Y-%m-%d %H:%M %Z}{f' ({remark})' if remark else ''}{later}"
        elif 0 < job.period <= elapsed(start, end):
            when = f"fires every {job.period / 60:g} min"
        else:
            continue
        yield Finding(
            rule=META.slug,
            severity=META.severity if firing is not None and not job.delay and not _often(job) else "medium",
            confidence=META.confidence if not job.delay else "likely",
            title=f"job “{job.schedule}” {when}, in the window {shown(start)}–{shown(end)}",
            place=job.place,
            line=job.line,
            excerpt=job.text,
            consequence="It runs while the host is between two versions; it may hold or wait for the migration's locks.",
            fix="Hold the job until the run is done, or move the window.",
            curable=can_be_silenced(job) or can_be_held(job),
        )


def _often(job: Job) -> bool:
    """True for a job that fires at least every hour: it falls into every window, and is built for that."""
    return 0 < period_of(job) <= 3600


def cure(context: Context, finding: Finding) -> Cure | None:
    """Comment the job out, the reason above it; hold a timer by steps of the plan."""
    if finding.curable and finding.place.endswith(".timer"):
        return held(context, finding.place)
    reason = f"held by fulldress ({META.slug}); switch it on again after the run"
    text = silenced(context, finding, reason) if finding.curable else None
    return edited(finding.place, text, "cron job held: it fires inside the window") if text is not None else None


RELEASE = Release(
    name="sample",
    estate=Declared(timezone="Europe/Vienna"),
    window=Window(start="2026-11-29T02:30", minutes=60),
)
SPRING = Release(  # 02:00 to 03:00 does not exist that night: the hour from 01:15 ends at 03:15
    name="sample", estate=Declared(timezone="Europe/Berlin"), window=Window(start="2027-03-28T01:15", minutes=60)
)
AUTUMN = Release(  # 02:00 to 03:00 happens twice: the hour from 01:30 ends at 02:30 of the first
    name="sample", estate=Declared(timezone="Europe/Berlin"), window=Window(start="2026-10-25T01:30", minutes=60)
)
BAD = (
    Sample(files={"etc/cron.d/app": "5 3 * * * app /usr/lib/app/import\n"}, release=SPRING),
    Sample(files={"a.sh": "#!/bin/sh\ncat >> /var/spool/cron/crontabs/root <<E\n0 3 * * * /bin/x\nE\n"}, release=RELEASE),
    Sample(files={"app.deb!/etc/cron.d/app": "0 3 * * * app /usr/lib/app/import\n"}, release=RELEASE),
    Sample(files={"etc/cron.d/often": "*/5 * * * * root /bin/true\n"}, release=RELEASE),
    Sample(
        files={"postinst": "#!/bin/sh\nset -e\ncat > /etc/cron.d/app <<EOF\nA=b\n0 3 * * * app /bin/x\nEOF\necho done\n"},
        release=RELEASE,
    ),
    Sample(files={"a.sh": "#!/bin/sh\n(crontab -l; true) | cat\necho '0 3 * * * /bin/x' | crontab -\n"}, release=RELEASE),
    Sample(files={"usr/lib/systemd/system/a.timer": "[Timer]\nOnCalendar=Sun 02:45\n"}, release=RELEASE),
    Sample(files={"lib/systemd/system/a.timer": "[Timer]\nOnCalendar=02:00\nRandomizedDelaySec=1h\n"}, release=RELEASE),
    Sample(files={"lib/systemd/system/a.timer": "[Timer]\nOnBootSec=2min\nOnUnitActiveSec=10min\n"}, release=RELEASE),
    Sample(files={"a.rpm!/etc/cron.d/a": "CRON_TZ=UTC\n0 2 * * * app /usr/lib/app/import\n"}, release=RELEASE),
    Sample(
        files={"c.py": 'app.conf.timezone = "Europe/Vienna"\nadd_periodic_task(crontab(hour="*/3", minute=10), f)\n'},
        release=RELEASE,
    ),
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nat 03:00 <<E\n/bin/x\nE\n"}, release=RELEASE),
    Sample(files={"j.java": '@Scheduled(cron = "0 45 2 * * 7")\n'}, release=RELEASE),
)
GOOD = (
    Sample(files={"etc/cron.d/app": "20 3 * * * app /usr/lib/app/import\n"}, release=SPRING),
    Sample(files={"lib/systemd/system/a.timer": "[Timer]\nOnCalendar=02:45\n"}, release=AUTUMN),
    Sample(
        files={"etc/cron.d/app": "0 3 * * * root test -x /usr/bin/x -a \\! -d /run/systemd/system && x\n"}, release=RELEASE
    ),
    Sample(files={"etc/cron.d/app": "0 4 * * * app /usr/lib/app/import\n# 0 3 * * * app x\n"}, release=RELEASE),
    Sample(files={"etc/cron.d/app": "0 3 * * 1-5 app /usr/lib/app/import\n"}, release=RELEASE),
    Sample(files={"a.rpm!/etc/cron.d/a": "CRON_TZ=UTC\n0 3 * * * app /usr/lib/app/import\n"}, release=RELEASE),
    Sample(files={"lib/systemd/system/a.timer": "[Timer]\nOnCalendar=Sun 02:45 UTC\n"}, release=RELEASE),
    Sample(
        files={"c.py": 'app.conf.timezone = "UTC"\nadd_periodic_task(crontab(hour="*/3", minute=10), f)\n'}, release=RELEASE
    ),
    Sample(files={"up.sh": "#!/bin/sh\nset -e\nat 05:00 <<E\n/bin/x\nE\n"}, release=RELEASE),
    Sample(
        files={"a.deb!/lib/systemd/system/a.timer": "[Timer]\nOnCalendar=Sun 02:45\n"},
        release=RELEASE,
        drafted=(
            StepDraft(kind="unit", title="Hold a.timer", params={"action": "hold", "unit": "a.timer"}),
            StepDraft(kind="unit", title="Release a.timer", when="after", params={"action": "release", "unit": "a.timer"}),
        ),
    ),
    Sample(files={"etc/cron.d/app": "@reboot app /usr/lib/app/import\n"}, release=RELEASE),
)
