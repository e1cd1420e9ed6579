"""Scheduled work inside a package: cron jobs and systemd timers, and the files that such a job ends up running. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats import shell
from fulldress.model.package import Entry
from fulldress.scan.reading import crontabs, memo, on_host
from fulldress.scan.rule import Context

MAX_DEPTH = 5
"""How many scripts deep a job is followed."""

_PATH = re.compile(r"(?<![\w.$}-])/(?:[\w.+@-]+/)*[\w.+@-]+")
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
    """Every cron job and timer of the package."""
    return memo(context, "schedules", lambda: [*_cron_jobs(context), *_timers(context)])


def _cron_jobs(context: Context) -> Iterator[Job]:
    for table in crontabs(context):
        lines = table.text.split("\n")
        for job in table.jobs:
            yield Job(table.entry.place, job.line, job.schedule, job.command, False, lines[job.line - 1].strip())


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
