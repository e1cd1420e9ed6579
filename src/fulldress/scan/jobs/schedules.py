"""Scheduled work inside a package: what is scheduled, where it is written, and when it fires next.

Cron files, jobs that scripts write, systemd timers, and the schedulers inside programs (``scheduled_code``). Pure: reads the
Context. What a job ends up running is the call graph's part (``callgraph``).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fulldress.formats import calendar, cronlint, crontab, localtime, quartz, shell, unit
from fulldress.formats.late import late
from fulldress.formats.localtime import elapsed, later
from fulldress.formats.shell import Command
from fulldress.model.estate import CronJob, HostFacts
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.jobs.embedded_shell import embedded
from fulldress.scan.jobs.job import Job
from fulldress.scan.jobs.managed_jobs import declared
from fulldress.scan.jobs.program_jobs import in_programs
from fulldress.scan.jobs.scheduled_code import in_code, suspended
from fulldress.scan.jobs.services import service_named, started
from fulldress.scan.jobs.set_jobs import set_jobs
from fulldress.scan.reading import Crontab, Script, crontabs, in_crons_place, memo, named, scripts, without_remark
from fulldress.scan.rule import Context

DEBIAN = frozenset({"debian", "ubuntu", "raspbian", "linuxmint", "devuan", "pop"})
_CRON_FILE = late(r"/etc/(?:cron\.d/|crontab\b)")
_SPOOL = late(r"/var/spool/cron/(?:crontabs/|tabs/)?[\w$-]")
"""A user's crontab, written behind crontab(1)'s back."""
_NOT_SYSTEMD = late(r"!\s*-d\s+/run/systemd/system|-d\s+/run/systemd/system\s*\]?\s*\|\|")
_MONOTONIC = ("OnUnitActiveSec", "OnUnitInactiveSec", "OnActiveSec", "OnBootSec", "OnStartupSec")


def jobs(context: Context) -> list[Job]:
    """Every cron job and timer of the package, the jobs that its scripts write, and the schedules in its programs."""

    def make() -> list[Job]:
        of_the_host = [*_cron_jobs(context), *_written_jobs(context), *_timers(context)]
        known = [*of_the_host, *in_code(context), *in_programs(context), *declared(context)]
        told = {(job.place, job.line) for job in known}
        return [*known, *(job for job in set_jobs(context) if (job.place, job.line) not in told)]

    return memo(context, "schedules", make)


def zone_of(context: Context) -> str:
    """The estate's zone: declared, else the first host's."""
    return localtime.zone_name(context.release, context.estate)


def is_debian(context: Context, place: str = "") -> bool:
    """True where Debian's cron is what reads the package's crontabs: by the hosts, else by the kind of package."""
    hosts: tuple[HostFacts, ...] = context.estate.hosts if context.estate is not None else ()
    if hosts:
        return all(h.os in DEBIAN for h in hosts)
    return ".rpm!" not in place


def next_firing(job: Job, after: datetime) -> datetime | None:
    """The first firing strictly after a zone-aware moment, in that zone; None for @reboot, monotonic ones and nonsense."""
    try:
        start = after.astimezone(ZoneInfo(job.zone)) if job.zone else after
    except (ZoneInfoNotFoundError, ValueError, OSError):
        start = after
    found: datetime | None = None
    if job.kind == "timer":
        event = calendar.parse(job.schedule)
        found = calendar.next_elapse(event, start) if event is not None else None
    elif job.kind in ("quartz", "spring"):
        fires = quartz.parse(job.schedule, spring=job.kind == "spring")
        found = quartz.next_firing(fires, start) if fires is not None else None
    elif job.schedule:
        found = crontab.next_firing(job.schedule, start)
    return found.astimezone(after.tzinfo) if found is not None else None


def can_be_silenced(job: Job) -> bool:
    """True for jobs that a line of the package alone decides about (see :func:`silenced`)."""
    manifest = job.kind == "kubernetes" and job.place.endswith((".yaml", ".yml"))
    return manifest or (job.kind in ("cron", "at") and not job.timer)


def idle_under_systemd(job: Job) -> bool:
    """True for cron jobs that do nothing where systemd runs, because a timer of the same package does it there."""
    return job.kind == "cron" and _NOT_SYSTEMD.search(job.command) is not None


def firing_between(job: Job, start: datetime, end: datetime) -> datetime | None:
    """The first firing in the interval, both ends included; one that may be delayed into it counts at its latest start."""
    early = later(start, -job.delay - 60)
    moment = next_firing(job, early)
    if not job.delay and moment is not None and elapsed(start, moment) < 0:
        moment = next_firing(job, moment)
    return moment if moment is not None and elapsed(moment, end) >= 0 else None


def clock_remark(job: Job, firing: datetime) -> str:
    """By which rule a firing was told on a night on which the clocks change; "" where they had no say in it."""
    there = firing.astimezone(ZoneInfo(job.zone)) if job.zone else firing
    kept = "systemd" if job.kind == "timer" else "Quartz" if job.kind in ("quartz", "spring") else "cron"
    fields = crontab.parse_schedule(job.schedule) if kept == "cron" else None
    if fields is not None and not (there.hour in fields.hours and there.minute in fields.minutes):
        return "the clocks skip its time that night, and cron makes up for it right after"
    if there.replace(fold=0).utcoffset() == there.replace(fold=1).utcoffset():
        return ""
    if fields is not None and fields.wildcard:
        return "that time happens twice, and cron fires at both: its hour or minute is a *"
    return f"that time happens twice, and {kept} fires at the first"


def period_of(job: Job) -> float:
    """The shortest time in seconds between two firings within a day; 0 when it fires once a day, or less."""
    if job.period:
        return job.period
    fields = crontab.parse_schedule(job.schedule) if job.kind not in ("timer", "quartz", "spring", "at") else None
    if fields is not None:
        moments = sorted(h * 60 + m for h in fields.hours for m in fields.minutes)
        return min((b - a for a, b in pairwise(moments)), default=0) * 60.0
    event = calendar.parse(job.schedule) if job.kind == "timer" else None
    if event is None:
        return 0.0
    clock = [t.hour * 3600 + t.minute * 60 + t.second for t in event.times()]
    return float(min((b - a for a, b in pairwise(clock)), default=0))


def window_of(context: Context) -> tuple[datetime, datetime] | None:
    """Start and end of the window in the estate's zone; None when none is declared. UsageError when it cannot be told."""
    return localtime.window(context.release, context.estate)


def tables(context: Context) -> list[Crontab]:
    """Every crontab of the package: those in cron's own places, and files that scripts copy or install there."""

    def make() -> list[Crontab]:
        found = {table.entry.place: table for table in crontabs(context)}
        for script in scripts(context):
            for command in script.commands:
                for table in _copied(context, script, command):
                    found[table.entry.place] = table
        return list(found.values())

    return memo(context, "cron tables", make)


def is_system(table: Crontab) -> bool:
    """True where a user stands before the command; read from the jobs, because a copied file says it by its target only."""
    return any(job.user for job in table.jobs) or "cron.d/" in table.entry.place or table.entry.place.endswith("etc/crontab")


def _cron_jobs(context: Context) -> Iterator[Job]:
    for table in tables(context):
        yield from _of_table(context, table.entry.place, table.text, table.jobs)


def _of_table(context: Context, place: str, text: str, found: list[CronJob], offset: int = 0) -> Iterator[Job]:
    lines = text.split("\n")
    zoned = not is_debian(context, place)  # Debian's cron knows no CRON_TZ
    settings = cronlint.settings(text)
    for job in found:
        zone = next((s.value for s in reversed(settings) if s.name == "CRON_TZ" and s.line < job.line), "") if zoned else ""
        yield Job(
            place, job.line + offset, job.schedule, job.command, False, lines[job.line - 1].strip(), zone=zone, user=job.user
        )


def _written_jobs(context: Context) -> Iterator[Job]:
    """Jobs in here-documents and echoed lines that go into a crontab, and in files that scripts copy there."""
    for script in (*scripts(context), *embedded(context)):
        lines = script.text.split("\n")
        for command in script.commands:
            yield from _at(script, command)
            target = " ".join((*command.redirects, *command.argv[1:], command.pipes_to, *command.pipes_args))
            system = _CRON_FILE.search(target) is not None
            if not system and "crontab" not in (command.name, command.pipes_to) and not _SPOOL.search(target):
                continue
            body = (
                command.heredoc
                or _here_string(command)
                or "\n".join(command.argv[1:] if command.name in ("echo", "printf") else ())
            )
            for job in crontab.jobs(body.replace("\\n", "\n"), file=script.entry.place, system=system):
                line = command.end_line + job.line if command.heredoc else command.line
                text = lines[line - 1].strip() if line <= len(lines) else command.text
                yield Job(script.entry.place, line, job.schedule, job.command, False, text, user=job.user)


_HERE_STRING = late(r"""^<<<\s*(?:"([^"]*)"|'([^']*)')$""")


def _here_string(command: Command) -> str:
    """``crontab - <<< "10 1 * * * x"``."""
    found = (_HERE_STRING.match(r.strip()) for r in command.redirects)
    return "\n".join(m[1] or m[2] or "" for m in found if m is not None)


def _copied(context: Context, script: Script, command: Command) -> Iterator[Crontab]:
    """``install x.cron /etc/cron.d/x`` and ``crontab x.cron``: the file, when it is in the package under another name."""
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    words = [w for w in argv[1:] if not w.startswith("-")]
    if name in ("cp", "install", "mv", "ln") and len(words) > 1 and _CRON_FILE.search(words[-1]):
        source, system = words[-2], True
    elif name == "crontab" and words and not any(w in ("-l", "-r", "-e") for w in argv):
        source, system = words[-1], False
    else:
        return
    folder = script.entry.place.rpartition("/")[0]
    wanted = source.rpartition("/")[2]
    known = memo(
        context, "crontab places", lambda: {t.entry.place for t in crontabs(context) if in_crons_place(t.entry.place)}
    )
    for entry in named(context, wanted):
        if entry.place in known:
            continue
        if posixpath.dirname(folder) == posixpath.dirname(posixpath.dirname(entry.place)) or entry.place.startswith(folder):
            text = context.text(entry)
            if text is not None:
                yield Crontab(entry, text, crontab.jobs(text, file=entry.place, system=system))


def _at(script: Script, command: Command) -> Iterator[Job]:
    """``echo CMD | at 03:00`` and ``systemd-run --on-calendar=... CMD``."""
    if command.pipes_to == "at" and command.name in ("echo", "printf"):
        run, when = " ".join(command.argv[1:]), _clock(command.pipes_args)
        yield Job(script.entry.place, command.line, when, run, False, command.text, kind="at")
    elif command.name in ("at", "batch") and "-f" in command.argv[:-1]:
        run = command.argv[command.argv.index("-f") + 1]
        yield Job(script.entry.place, command.line, _clock(command.argv[1:]), run, False, command.text, kind="at")
    elif command.name == "at" and command.heredoc:
        run = " ".join(command.heredoc.split())
        yield Job(script.entry.place, command.line, _clock(command.argv[1:]), run, False, command.text, kind="at")
    elif command.name == "systemd-run":
        when = next((w.partition("=")[2] for w in command.argv if w.startswith("--on-calendar=")), "")
        if when:
            run = " ".join(shell.unwrapped(command))
            yield Job(script.entry.place, command.line, when, run, False, command.text, kind="timer")


_OF_DAY = late(r"([01]?\d|2[0-3]):([0-5]\d)")


def _clock(words: tuple[str, ...]) -> str:
    """The time of day of ``at 23:45``, as cron writes it; "" for ``now + 5 minutes``, ``noon tomorrow`` and the like."""
    plain = [w for w in words if not w.startswith("-")]
    found = _OF_DAY.fullmatch(plain[0]) if len(plain) == 1 else None
    return f"{int(found[2])} {int(found[1])} * * *" if found is not None else ""


def silenced(context: Context, finding: Finding, reason: str) -> str | None:
    """The text of the finding's file with that job commented out, a CronJob of Kubernetes suspended; None when this would
    break a script."""
    entry = context.entry(finding.place)
    text = context.text(entry) if entry is not None and entry.sha256 else None
    if text is None or finding.line > text.count("\n") + 1:
        return None
    if finding.place.endswith((".yaml", ".yml")):
        return suspended(text, finding.line, reason)
    without = crontab.disable(text, finding.line, reason)
    return without if not shell.is_shell(finding.place, text) or shell.parses(without) else None


def _timers(context: Context) -> Iterator[Job]:
    for entry, text in context.texts(".timer"):
        directives = unit.parse(text).get("Timer", [])
        command = _service_command(context, entry)
        values = {name: value for name, value, _ in directives}
        delay = calendar.span(values.get("RandomizedDelaySec", "")) or 0.0
        persistent = values.get("Persistent", "").lower() in ("1", "yes", "true", "on")
        for name, value, line in directives:
            if name == "OnCalendar" and value:
                shown = f"{name}={value}"
                yield Job(entry.place, line, value, command, True, shown, kind="timer", delay=delay, persistent=persistent)
            elif name in _MONOTONIC and value:
                period = (calendar.span(value) or 0.0) if name in _MONOTONIC[:2] else 0.0
                yield Job(
                    entry.place, line, f"{name}={value}", command, True, f"{name}={value}", kind="timer", period=period
                )


def service_of(context: Context, timer: str) -> Entry | None:
    """The service that a timer of the package starts."""
    entry = context.entry(timer)
    text = context.text(entry) if entry is not None and entry.sha256 else None
    directives = unit.parse(text or "").get("Timer", [])
    unit_name = next((value for name, value, _ in directives if name == "Unit"), "")
    return service_named(context, unit_name or timer.rpartition("/")[2].removesuffix(".timer") + ".service", timer)


def _service_command(context: Context, timer: Entry) -> str:
    """The commands of the service that a timer starts."""
    service = service_of(context, timer.place)
    return "\n".join(command for command, _, _ in started(context, service).commands) if service is not None else ""


def command_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a script or configuration that act, without comments: those of their own and those behind a command."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith(("#", "//", ";")):
            yield number, without_remark(line)
