"""Jobs of the estate and the upgrade, or the package's jobs, want the same moment.

## What it does
Computes when the estate's own jobs (crontabs and timers of the inventory) fire, daylight saving included, and reports
backups, dumps and jobs of the product that fall into the maintenance window; jobs of the package that start in the same
minute as a backup of the estate; and commands that would be scheduled twice, by the package and by the estate.

## Why it matters
A dump that runs through a migration blocks it (or is blocked by it) and holds a schema that no longer exists; a job that
is scheduled twice imports everything twice.

## Example
```
release.toml: start = "2026-11-29T02:30"      estate: 45 2 * * * postgres pg_dumpall ...
```

## Fix
Hold the estate's jobs for the window: `fulldress adapt` drafts the steps that switch their lines off before the upgrade
and on again after it. Move the package's job away from the backup.

## References
- crontab(5), systemd.timer(5); PostgreSQL: pg_dump takes ACCESS SHARE locks on every table
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fulldress.formats import calendar, crontab
from fulldress.formats.late import late
from fulldress.formats.localtime import elapsed, later, shown
from fulldress.model.estate import CronJob, Estate, HostFacts, Timer
from fulldress.model.finding import Cure, Finding, StepDraft
from fulldress.model.release import Declared, Release, Window
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.schedules import idle_under_systemd, jobs, next_firing, window_of
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="schedule-collision",
    family="schedule",
    title="Jobs collide with the upgrade or with each other",
    severity="high",
    confidence="certain",
    needs=("estate", "release"),
)
_BACKUP = late(
    r"(?i)\b(pg_dump(all)?|pg_basebackup|mysqldump|mariadb-dump|pgbackrest|barman|wal-g|borg(matic)?|restic|rsnapshot|duplicity|"
    r"bacula|bareos|xtrabackup|mariabackup|tarsnap|rdiff-backup|vzdump)\b|backup|back-up|snapshot"
)
_AROUND = 600.0
"""Seconds."""


class _Own(NamedTuple):
    """A job of the estate that fires inside the window."""

    host: HostFacts
    job: CronJob
    at: datetime
    backup: bool


class _OwnTimer(NamedTuple):
    """A timer of the estate that starts a backup inside the window."""

    host: HostFacts
    timer: Timer
    at: datetime


def check(context: Context) -> Iterator[Finding]:
    """One finding for the estate's jobs in the window, one for each job of the package that collides."""
    window = window_of(context)
    assert context.estate is not None
    if window is None:
        return
    own = [
        o for o in _in_window(context, *window) if not _steps(o) or any(step not in context.drafted for step in _steps(o))
    ]
    if own:
        yield _window_finding(own, window)
    timers = [t for t in _timers_in_window(context, *window) if any(s not in context.drafted for s in _timer_steps(t))]
    if timers:
        yield _timer_finding(timers, window)
    for job in jobs(context):
        if idle_under_systemd(job):
            continue
        why = _with_backup(context.estate, job, window[0]) or _twice(context.estate, job)
        if why:
            yield Finding(
                rule=META.slug,
                severity="medium",
                confidence="likely",
                title=f"job “{job.schedule}” {why}",
                place=job.place,
                line=job.line,
                excerpt=job.text,
                consequence="Both want the same disk, locks and rows at the same time; what runs twice imports twice.",
                fix="Move one of them, or take it out.",
            )


def _window_finding(own: list[_Own], window: tuple[datetime, datetime]) -> Finding:
    first = next((o for o in own if o.backup), own[0])
    listed = "; ".join(f"{o.at:%H:%M} {o.job.file}:{o.job.line} on {o.host.hostname or o.host.name}" for o in own[:5])
    return Finding(
        rule=META.slug,
        severity="high" if first.backup else "medium",
        confidence=META.confidence,
        title=f"{len(own)} of the estate's jobs fire in the window {shown(window[0])}–{shown(window[1])}"
        + (f", a backup at {first.at:%H:%M} among them" if first.backup else ""),
        place="",
        excerpt=secrets.hidden(f"{listed}: {first.job.command}"[:300]),
        consequence="A dump through a migration waits for its locks, or makes it wait, and holds half of either schema.",
        fix="Hold these jobs for the window, or move the window.",
        curable=any(_steps(o) for o in own),
    )


def _timer_finding(own: list[_OwnTimer], window: tuple[datetime, datetime]) -> Finding:
    names = ", ".join(f"{o.timer.name} at {o.at:%H:%M} on {o.host.hostname or o.host.name}" for o in own[:4])
    return Finding(
        rule=META.slug,
        severity="high",
        confidence=META.confidence,
        title=f"backups by timer fall into the window {shown(window[0])}–{shown(window[1])}: {names}",
        place="",
        excerpt="; ".join(f"OnCalendar={text}" for o in own[:4] for text in o.timer.calendar)[:200],
        consequence="A dump through a migration waits for its locks, or makes it wait, and holds half of either schema.",
        fix="Hold these timers for the window, or move the window.",
        curable=True,
    )


def _in_window(context: Context, start: datetime, end: datetime) -> Iterator[_Own]:
    assert context.estate is not None
    product = context.release.estate.product if context.release is not None else ""
    for host in context.estate.hosts:
        for job in host.cron:
            backup = _BACKUP.search(f"{job.file} {job.command}") is not None
            if not (backup or (product and product.lower() in f"{job.file} {job.command}".lower())):
                continue
            at = _fires(host, job, later(start, -60))
            if at is not None and elapsed(at, end) >= 0:
                yield _Own(host, job, at, backup)


def _fires(host: HostFacts, job: CronJob, after: datetime) -> datetime | None:
    """The next firing by the clock that the job follows: its own CRON_TZ, else its host's; told in the zone of ``after``."""
    found = crontab.next_firing(job.schedule, _on_clock(job.zone or host.timezone, after))
    return found.astimezone(after.tzinfo) if found is not None else None


def _on_clock(zone: str, moment: datetime) -> datetime:
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment


def _timers_in_window(context: Context, start: datetime, end: datetime) -> Iterator[_OwnTimer]:
    """Timers of the estate that start a backup inside the window."""
    assert context.estate is not None
    for host in context.estate.hosts:
        for timer in host.timers:
            if not _BACKUP.search(f"{timer.name} {timer.activates}"):
                continue
            for text in timer.calendar:
                event = calendar.parse(text)
                before = _on_clock(host.timezone, later(start, -60))
                found = calendar.next_elapse(event, before) if event is not None else None
                at = found.astimezone(start.tzinfo) if found is not None else None
                if at is not None and elapsed(at, end) >= 0:
                    yield _OwnTimer(host, timer, at)
                    break


def _timer_steps(own: _OwnTimer) -> tuple[StepDraft, ...]:
    name = own.timer.name
    return (
        StepDraft(kind="unit", title=f"Hold {name} for the window", params={"action": "stop", "unit": name}),
        StepDraft(kind="unit", title=f"Start {name} again", when="after", params={"action": "start", "unit": name}),
    )


def _with_backup(estate: Estate, job: Job, start: datetime) -> str:
    """In words: which backup of the estate starts within ten minutes of a firing of the job."""
    mine = next_firing(job, start)
    if mine is None or _BACKUP.search(job.command):
        return ""
    for host in estate.hosts:
        for other in host.cron:
            if not _BACKUP.search(f"{other.file} {other.command}"):
                continue
            theirs = _fires(host, other, later(mine, -_AROUND))
            if theirs is not None and abs(elapsed(mine, theirs)) <= _AROUND:
                whose = host.hostname or host.name
                return f"fires at {mine:%H:%M}, beside the backup of {whose} at {theirs:%H:%M} ({other.file})"
    return ""


def _twice(estate: Estate, job: Job) -> str:
    """In words: where the estate already has the same command under another file."""
    command = " ".join(job.command.split())
    path = job.place.rpartition("!")[2]
    if len(command) < 8 or job.timer:
        return ""
    for host in estate.hosts:
        for other in host.cron:
            if " ".join(other.command.split()) == command and not f"/{path}".endswith(other.file):
                return f"is scheduled already on {host.hostname or host.name} ({other.file}:{other.line})"
    return ""


def _steps(own: _Own) -> tuple[StepDraft, ...]:
    params = {"file": own.job.file, "match": own.job.command}
    name = f"{own.job.file}:{own.job.line}"
    if not own.job.line:
        return ()  # a script of a run-parts directory: its line in the table stands for others too
    return (
        StepDraft(kind="cron-job", title=f"Hold the job {name} for the window", params={**params, "action": "disable"}),
        StepDraft(
            kind="cron-job", title=f"Switch the job {name} on again", when="after", params={**params, "action": "enable"}
        ),
    )


def cure(context: Context, finding: Finding) -> Cure | None:
    """Steps that switch the estate's lines off before the upgrade and on again after it."""
    window = window_of(context)
    if finding.place or window is None:
        return None
    drafts = [step for own in _in_window(context, *window) for step in _steps(own)]
    drafts += [step for own in _timers_in_window(context, *window) for step in _timer_steps(own)]
    steps = [step for step in drafts if step not in context.drafted]
    steps.sort(key=lambda step: step.when == "after")
    return Cure(steps=tuple(steps), note="the estate's jobs are held for the window", safety="review") if steps else None


RELEASE = Release(
    name="sample",
    estate=Declared(timezone="Europe/Vienna", product="lims"),
    window=Window(start="2026-11-29T02:30", minutes=60),
)


def _estate(*lines: str, timer: str = "") -> Estate:
    cron = tuple(crontab.jobs("\n".join(lines) + "\n", file="/etc/cron.d/own"))
    timers = (Timer(name="pgbackrest.timer", activates="pgbackrest.service", calendar=(timer,)),) if timer else ()
    host = HostFacts(
        name="h", hostname="h", os="debian", os_version="12", timezone="Europe/Vienna", cron=cron, timers=timers
    )
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


def _host(*jobs: CronJob, zone: str = "Europe/Vienna") -> Estate:
    host = HostFacts(name="h", hostname="h", os="rhel", os_version="9", timezone=zone, cron=jobs)
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_DUMP = CronJob(file="/etc/cron.d/own", line=1, schedule="45 1 * * *", user="postgres", command="pg_dumpall -f /b/all")
_SCRIPT = CronJob(
    file="/etc/cron.daily/backup", line=0, schedule="45 2 * * *", user="root", command="/etc/cron.daily/backup"
)
_ELSEWHERE = CronJob(
    file="/etc/cron.d/own", line=2, schedule="45 10 * * *", user="root", command="pg_dumpall", zone="Asia/Tokyo"
)
BAD = (
    Sample(files={"a": "x\n"}, estate=_host(_DUMP, zone="UTC"), release=RELEASE),
    Sample(files={"a": "x\n"}, estate=_host(_SCRIPT), release=RELEASE),
    Sample(files={"a": "x\n"}, estate=_host(_ELSEWHERE), release=RELEASE),
    Sample(files={"a": "x\n"}, estate=_estate(timer="Sun 03:00"), release=RELEASE),
    Sample(files={"a": "x\n"}, estate=_estate("45 2 * * * postgres pg_dumpall -f /b/all"), release=RELEASE),
    Sample(files={"a": "x\n"}, estate=_estate("0 3 * * 0 lims /opt/lims/bin/report"), release=RELEASE),
    Sample(
        files={"x.deb!/etc/cron.d/a": "5 4 * * * app /usr/bin/imp\n"},
        estate=_estate("0 4 * * * root /usr/bin/borg create /b::x /srv"),
        release=RELEASE,
    ),
    Sample(
        files={"x.deb!/etc/cron.d/a": "5 12 * * * app /usr/bin/imp --all\n"},
        estate=_estate("0 18 * * * app /usr/bin/imp --all"),
        release=RELEASE,
    ),
)
GOOD = (
    Sample(files={"a": "x\n"}, estate=_host(_DUMP), release=RELEASE),
    Sample(files={"a": "x\n"}, estate=_estate(timer="Sun 04:00"), release=RELEASE),
    Sample(files={"a": "x\n"}, estate=_estate("45 1 * * * postgres pg_dumpall -f /b/all"), release=RELEASE),
    Sample(files={"a": "x\n"}, estate=_estate("0 3 * * 1-6 postgres pg_dumpall -f /b/all"), release=RELEASE),
    Sample(
        files={"a": "x\n"}, estate=_estate("17 * * * * root cd / && run-parts --report /etc/cron.hourly"), release=RELEASE
    ),
    Sample(
        files={"x.deb!/etc/cron.d/own": "0 18 * * * app /usr/bin/imp --all\n"},
        estate=_estate("0 18 * * * app /usr/bin/imp --all"),
        release=RELEASE,
    ),
)
