"""Scheduled work inside a package: cron jobs, those that a script installs, and systemd timers; what they end up running.

Pure: reads the Context.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import crontab, shell
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.reading import crontabs, memo, on_host, scripts
from fulldress.scan.rule import Context

MAX_DEPTH = 5
"""How many scripts deep a job is followed."""

_PATH = re.compile(r"(?<![\w.$}-])/(?:[\w.+@-]+/)*[\w.+@-]+")
_CRON_FILE = re.compile(r"/etc/(?:cron\.d/|crontab\b)")
_CALENDAR = re.compile(r"(?:([A-Za-z]{3}(?:(?:,|\.\.)[A-Za-z]{3})*)\s+)?(?:\*-\*-(\*|\d+)\s+)?(\*|\d+):(\*|\d+)(?::0+)?$")
_NAMED = {"hourly": "@hourly", "daily": "@daily", "weekly": "0 0 * * 1", "monthly": "@monthly", "yearly": "@yearly"}


class Job(NamedTuple):
    """A scheduled command of the package: where it is written, when it fires (as cron writes it), what it runs."""

    place: str
    line: int
    schedule: str
    command: str
    timer: bool
    text: str
    """The line as written."""


def jobs(context: Context) -> list[Job]:
    """Every cron job and timer of the package, and the cron jobs that its scripts write."""
    return memo(context, "schedules", lambda: [*_cron_jobs(context), *_written_jobs(context), *_timers(context)])


def _cron_jobs(context: Context) -> Iterator[Job]:
    for table in crontabs(context):
        lines = table.text.split("\n")
        for job in table.jobs:
            yield Job(table.entry.place, job.line, job.schedule, job.command, False, lines[job.line - 1].strip())


def _written_jobs(context: Context) -> Iterator[Job]:
    """Jobs in here-documents and echoed lines that go into a crontab."""
    for script in scripts(context):
        lines = script.text.split("\n")
        for command in script.commands:
            target = " ".join((*command.redirects, *command.argv[1:], command.pipes_to))
            system = _CRON_FILE.search(target) is not None
            if not system and "crontab" not in (command.name, command.pipes_to):
                continue
            body = command.heredoc or "\n".join(command.argv[1:] if command.name in ("echo", "printf") else ())
            for job in crontab.jobs(body.replace("\\n", "\n"), file=script.entry.place, system=system):
                line = command.end_line + job.line if command.heredoc else command.line
                text = lines[line - 1].strip() if line <= len(lines) else command.text
                yield Job(script.entry.place, line, job.schedule, job.command, False, text)


def silenced(context: Context, finding: Finding, reason: str) -> str | None:
    """The text of the finding's file with that job commented out; None when this would break a script."""
    entry = context.entry(finding.place)
    text = context.text(entry) if entry is not None and entry.sha256 else None
    if text is None or finding.line > text.count("\n") + 1:
        return None
    without = crontab.disable(text, finding.line, reason)
    return without if not shell.is_shell(finding.place, text) or shell.parses(without) else None


def _timers(context: Context) -> Iterator[Job]:
    for entry, text in context.texts(".timer"):
        command = _service_command(context, entry, text)
        for number, line in enumerate(text.split("\n"), 1):
            key, _, value = line.partition("=")
            if key.strip() == "OnCalendar" and value.strip():
                yield Job(entry.place, number, cron_schedule(value.strip()), command, True, line.strip())


def _service_command(context: Context, timer: Entry, text: str) -> str:
    named = re.search(r"(?m)^\s*Unit\s*=\s*(\S+)", text)
    folder, _, name = timer.place.rpartition("/")
    service = context.entry(f"{folder}/{named[1] if named else name.removesuffix('.timer') + '.service'}".lstrip("/"))
    body = context.text(service) if service is not None and service.sha256 else None
    return " ; ".join(re.findall(r"(?m)^\s*ExecStart(?:Pre|Post)?\s*=\s*[-@:+!]*(.+)$", body or ""))


def cron_schedule(calendar: str) -> str:
    """A systemd calendar expression in cron's fields, or ``""`` for the forms that cron cannot say."""
    if calendar.lower() in _NAMED:
        return _NAMED[calendar.lower()]
    match = _CALENDAR.match(calendar)
    if match is None:
        return ""
    weekdays = (match[1] or "*").lower().replace("..", "-")
    return f"{match[4].lstrip('0') or '0'} {match[3].lstrip('0') or '0'} {match[2] or '*'} * {weekdays}"


def reached(context: Context, command: str) -> list[tuple[Entry, str]]:
    """Files of the package that a command runs or reads by absolute path, followed through the files themselves."""
    found: dict[str, tuple[Entry, str]] = {}
    texts = [command]
    for _ in range(MAX_DEPTH):
        fresh = [hit for text in texts for hit in _named_files(context, text) if hit[0].place not in found]
        found.update({entry.place: (entry, text) for entry, text in fresh})
        texts = [text for _, text in fresh]
    return list(found.values())


def _named_files(context: Context, text: str) -> Iterator[tuple[Entry, str]]:
    for path in sorted(set(_PATH.findall(text))):
        entry = on_host(context, path)
        content = context.text(entry) if entry is not None else None
        if entry is not None and content is not None:
            yield entry, content


def command_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines of a script or configuration that act: no comments."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.lstrip().startswith(("#", "//", ";")):
            yield number, line


def is_script(place: str, text: str) -> bool:
    """True for a text with a shebang or a shell script by name."""
    return text.startswith("#!") or shell.is_shell(place, text)
