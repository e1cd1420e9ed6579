"""Cron expressions of Java schedulers: Quartz (six or seven fields, ``L W # ?``) and Spring's six fields. Pure.

The clock follows the zone: a time that a clock change skips does not fire that day, one that is repeated fires once.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

MONTHS = {
    n: i for i, n in enumerate(("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1)
}
HORIZON_DAYS = 8 * 366 + 1
MAX_YEAR = 2199
_SPRING_MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}


class Fires(NamedTuple):
    """A parsed expression."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: str
    """As written, upper case: lists of numbers and ranges, ``L``, ``L-3``, ``15W``, ``LW``, ``?``, ``*``."""
    months: frozenset[int]
    weekdays: str
    years: frozenset[int]
    """Empty: every year."""
    sunday: int
    """The number of Sunday: 1 for Quartz, 0 for Spring."""

    def on(self, day: date) -> bool:
        """True when it fires on that day."""
        if day.month not in self.months or (self.years and day.year not in self.years):
            return False
        return _day_fits(self.days, day) and _weekday_fits(self.weekdays, day, self.sunday)


def parse(text: str, *, spring: bool = False) -> Fires | None:
    """The expression, or None when the scheduler would not accept it."""
    fields = (_SPRING_MACROS.get(text.strip().lower(), text) if spring else text).upper().split()
    if len(fields) not in ((6,) if spring else (6, 7)):
        return None
    try:
        fires = Fires(
            seconds=_values(fields[0], 0, 59),
            minutes=_values(fields[1], 0, 59),
            hours=_values(fields[2], 0, 23),
            days=fields[3],
            months=_values(fields[4], 1, 12, MONTHS),
            weekdays=fields[5],
            years=_values(fields[6], 1970, MAX_YEAR) if len(fields) == 7 and fields[6] != "*" else frozenset(),
            sunday=0 if spring else 1,
        )
        if not spring and (fields[3] == "?") == (fields[5] == "?"):
            return None  # Quartz wants `?` in exactly one of the two day fields
        _day_fits(fires.days, date(2026, 1, 1))
        _weekday_fits(fires.weekdays, date(2026, 1, 1), fires.sunday)
    except (ValueError, IndexError):
        return None
    return fires


def _values(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = int(step_text) if slash else 1
        if step < 1:
            raise ValueError(text)
        if span in ("*", "?", ""):
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, names)
            last = _number(end, names) if dash else (high if slash else first)
        if not (low <= first <= high and low <= last <= high):
            raise ValueError(text)
        values.update(range(first, last + 1, step) if first <= last else [*range(first, high + 1), *range(low, last + 1)])
    return frozenset(values)


def _number(text: str, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _day_fits(field: str, day: date) -> bool:
    if field in ("*", "?"):
        return True
    last = calendar.monthrange(day.year, day.month)[1]
    for part in field.split(","):
        ending = re.fullmatch(r"L(?:-(\d+))?(W)?", part)
        near = re.fullmatch(r"(\d+)W", part)
        if ending is not None:
            wanted = last - int(ending[1] or 0)
            if day.day == (_nearest_weekday(day, wanted, last) if ending[2] else wanted):
                return True
        elif near is not None:
            if day.day == _nearest_weekday(day, min(int(near[1]), last), last):
                return True
        elif day.day in _values(part, 1, 31):
            return True
    return False


def _nearest_weekday(day: date, wanted: int, last: int) -> int:
    """The working day nearest to a day of the month, within the month."""
    target = day.replace(day=max(1, wanted))
    if target.weekday() == 5:
        return target.day - 1 if target.day > 1 else target.day + 2
    if target.weekday() == 6:
        return target.day + 1 if target.day < last else target.day - 2
    return target.day


def _weekday_fits(field: str, day: date, sunday: int) -> bool:
    if field in ("*", "?"):
        return True
    names = {n: i + sunday for i, n in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
    today = (day.isoweekday() % 7) + sunday
    last = calendar.monthrange(day.year, day.month)[1]
    for part in field.split(","):
        nth = re.fullmatch(r"(\w+)#([1-5])", part)
        final = re.fullmatch(r"(\w+)L", part)
        if part == "L":
            hit = today == 6 + sunday
        elif nth is not None:
            hit = today == _number(nth[1], names) and (day.day - 1) // 7 + 1 == int(nth[2])
        elif final is not None:
            hit = today == _number(final[1], names) and day.day + 7 > last
        else:
            values = _values(part, sunday, 7, names)
            hit = today in values or (sunday == 0 and today == 0 and 7 in values)
        if hit:
            return True
    return False


def next_firing(fires: Fires, after: datetime) -> datetime | None:
    """The first firing strictly after a zone-aware moment, in its zone; None when there is none within eight years."""
    if after.tzinfo is None:
        raise ValueError("next_firing needs a moment with a time zone")
    start = after.astimezone(UTC)
    clock = [time(h, m, s) for h in sorted(fires.hours) for m in sorted(fires.minutes) for s in sorted(fires.seconds)]
    for offset in range(HORIZON_DAYS):
        day = after.date() + timedelta(days=offset)
        if not fires.on(day):
            continue
        for at in clock:
            wall = datetime.combine(day, at, after.tzinfo)
            moment = wall.astimezone(UTC)
            if moment > start and moment.astimezone(after.tzinfo).time() == at:
                return moment.astimezone(after.tzinfo)
    return None
