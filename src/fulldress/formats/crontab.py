"""Crontabs: the jobs in them, when each fires next in a zone with daylight saving, and how to silence one.

Pure: text in, nouns out. Follows Debian's cron (fields, names, steps, either-or of the two day fields, what happens in
the hour that a clock change skips or repeats).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.localtime import change
from fulldress.model.estate import CronJob

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTH_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
MONTHS = {name: number for number, name in enumerate(MONTH_NAMES, 1)}
WEEKDAYS = {n: i for i, n in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_MADE_UP = timedelta(hours=3)
"""A longer jump of the clock is no daylight saving to cron."""
HORIZON_DAYS = 8 * 366 + 1
"""29 February comes back within eight years at the latest."""

_ASSIGNMENT = late(r"""\s*(?:"[^"]*"|'[^']*'|[A-Za-z_]\w*)\s*=""")


class Schedule(NamedTuple):
    """The five fields as sets. ``wildcard`` is true when minute or hour begins with ``*`` (clock changes differ)."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Both day fields are restricted: either of them is enough."""
    wildcard: bool

    def on(self, day: date) -> bool:
        """True when the job fires on this day at all."""
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_day or by_weekday if self.either_day else by_day and by_weekday


def jobs(text: str, *, file: str, system: bool = True) -> list[CronJob]:
    """The jobs of a crontab; ``system`` means a user field stands before the command (/etc/crontab, /etc/cron.d).

    Comments, blank lines, variables and lines that cron would refuse give nothing.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        job = _job(line.strip("\r"), number, file, system)
        if job is not None:
            found.append(job)
    return found


def _job(line: str, number: int, file: str, system: bool) -> CronJob | None:
    line = line.lstrip(" \t")
    if line[:1] == "-" and line[1:2] in tuple("*0123456789@"):  # cronie, SUSE: run it without a line in the log
        line = line[1:]
    if not line or line.startswith("#") or _ASSIGNMENT.match(line):
        return None
    fields = 1 if line.startswith("@") else 5
    parts = line.split(None, fields + int(system))
    if len(parts) != fields + int(system) + 1:
        return None
    schedule = " ".join(parts[:fields])
    if schedule != "@reboot" and parse_schedule(schedule) is None:
        return None
    user = parts[fields] if system else ""
    return CronJob(file=file, line=number, schedule=schedule, user=user, command=parts[-1].strip())


def is_setting(line: str) -> bool:
    """True for ``NAME = value``."""
    return _ASSIGNMENT.match(line) is not None


def parse_schedule(schedule: str) -> Schedule | None:
    """The fields of a schedule, or None when cron would not accept it (``@reboot`` has no fields either)."""
    fields = MACROS.get(schedule.strip().lower(), schedule).split()
    if len(fields) != 5:
        return None
    try:
        minutes = _field(fields[0], 0, 59, {})
        hours = _field(fields[1], 0, 23, {})
        days = _field(fields[2], 1, 31, {})
        months = _field(fields[3], 1, 12, MONTHS)
        weekdays = frozenset(d % 7 for d in _field(fields[4], 0, 7, WEEKDAYS))
    except ValueError:
        return None
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    wildcard = fields[0].startswith("*") or fields[1].startswith("*")
    return Schedule(minutes, hours, days, months, weekdays, either, wildcard)


def _field(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step_text = part.partition("/")
        span = span.replace("~", "-", 1)  # cronie: some moment of the span; any of them may be it
        step = int(step_text) if step_text else 1
        if step < 1 or (step_text and not step_text.isdecimal()):
            raise ValueError(part)
        if span == "*":
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, names)
            last = _number(end, names) if dash else (high if step_text else first)
        if not low <= first <= last <= high:
            raise ValueError(part)
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _number(text: str, names: dict[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text)


def next_firing(schedule: str, after: datetime) -> datetime | None:
    """The first firing strictly after a zone-aware moment, in the same zone; None for @reboot, nonsense and never."""
    if after.tzinfo is None:
        raise ValueError("next_firing needs a moment with a time zone")
    fields = parse_schedule(schedule)
    if fields is None:
        return None
    start = after.astimezone(UTC)
    # A firing that the clock change moved may belong to the day before.
    first = after.date() - timedelta(days=1)
    for offset in range(HORIZON_DAYS):
        day = first + timedelta(days=offset)
        if not fields.on(day):
            continue
        moments = [m for m in _moments(fields, day, after) if m > start]
        if moments:
            return min(moments).astimezone(after.tzinfo)
    return None


def _moments(fields: Schedule, day: date, like: datetime) -> Iterator[datetime]:
    """The firings of one day in UTC."""
    for hour in fields.hours:
        for minute in fields.minutes:
            yield from _instants(datetime.combine(day, time(hour, minute), like.tzinfo), fields.wildcard)


def _instants(wall: datetime, wildcard: bool) -> Iterator[datetime]:
    """The moments at which a wall-clock time occurs: two in the repeated hour, none in the skipped one.

    Debian's cron runs a job with a fixed time once in the repeated hour, and right after the change when its time was
    skipped; a job with a wildcard hour or minute simply follows the clock. A change of more than three hours is a new time
    to it: nothing is made up for.
    """
    zone = wall.tzinfo
    assert zone is not None
    early, late = wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    if early == late:
        yield early
    elif early < late:
        yield early
        if wildcard:
            yield late
    elif not wildcard and early - late <= _MADE_UP:
        yield change(late, early, zone)[1].astimezone(UTC)


def disable(text: str, line: int, reason: str) -> str:
    """The crontab with one line (1-based) commented out, the reason above it."""
    lines = text.split("\n")
    lines[line - 1 : line] = [f"# {' '.join(reason.split())}", f"# {lines[line - 1]}"]
    return "\n".join(lines)
