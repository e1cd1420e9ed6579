"""systemd's calendar events and time spans (systemd.time(7)): read, normalised, and when one elapses next.

Pure: text in, nouns out. Knows the weekday, date and time parts with lists, ranges and repetitions, days counted from
the end of the month (``*-*~01``), named events (``weekly``) and a time zone at the end. A wall-clock time that a clock
change skips does not elapse that day; one that is repeated elapses the first time.
"""

from __future__ import annotations

import calendar as months
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NAMED = {
    "minutely": "*-*-* *:*:00",
    "hourly": "*-*-* *:00:00",
    "daily": "*-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00",
    "weekly": "Mon *-*-* 00:00:00",
    "yearly": "*-01-01 00:00:00",
    "annually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00",
    "semiannually": "*-01,07-01 00:00:00",
    "biannually": "*-01,07-01 00:00:00",
    "bi-annually": "*-01,07-01 00:00:00",
    "semi-annually": "*-01,07-01 00:00:00",
}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HORIZON_DAYS = 8 * 366 + 1
MAX_YEAR = 2199
_UNITS = {
    **dict.fromkeys(("us", "usec", "µs"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
    **dict.fromkeys(("M", "month", "months"), 2629800.0),
    **dict.fromkeys(("y", "year", "years"), 31557600.0),
}


class Part(NamedTuple):
    """One component as the values it allows: first, last (None: only the first), step (0: none)."""

    spans: tuple[tuple[int, int | None, int], ...]
    """Empty: every value."""

    def has(self, value: int, high: int, *, from_end: bool = False) -> bool:
        """True when the component allows the value; ``high`` is the largest that the component can have.

        ``from_end``: values count backwards, so that a repetition goes towards 1.
        """
        if not self.spans:
            return True
        for first, last, step in self.spans:
            if from_end and step and last is None:
                if value <= first and (first - value) % step == 0:
                    return True
                continue
            end = last if last is not None else (high if step else first)
            if first <= value <= end and (not step or (value - first) % step == 0):
                return True
        return False

    def written(self, width: int, suffix: str = "") -> str:
        """The component as systemd writes it in the normalised form."""
        if not self.spans:
            return "*"
        texts = []
        for first, last, step in self.spans:
            text = f"{first:0{width}}{suffix if last is None and not step else ''}"
            text += f"..{last:0{width}}" if last is not None else ""
            texts.append(text + (f"/{step}" if step else ""))
        return ",".join(texts)


class Event(NamedTuple):
    """A calendar event."""

    weekdays: frozenset[int]
    """0 is Monday; empty: every day."""
    year: Part
    month: Part
    day: Part
    from_end: bool
    """Days are counted from the end of the month: 1 is the last."""
    hour: Part
    minute: Part
    second: Part
    zone: str

    def on(self, day: date) -> bool:
        """True when the event may elapse on that day."""
        if self.weekdays and day.weekday() not in self.weekdays:
            return False
        last = months.monthrange(day.year, day.month)[1]
        number = last - day.day + 1 if self.from_end else day.day
        return (
            self.year.has(day.year, MAX_YEAR)
            and self.month.has(day.month, 12)
            and self.day.has(number, last, from_end=self.from_end)
        )

    def times(self) -> list[time]:
        """The wall-clock times of a day, in order; seconds are kept whole."""
        hours = [h for h in range(24) if self.hour.has(h, 23)]
        minutes = [m for m in range(60) if self.minute.has(m, 59)]
        seconds = [s for s in range(60) if self.second.has(s, 59)]
        return [time(h, m, s) for h in hours for m in minutes for s in seconds]

    def normalised(self) -> str:
        """The form that ``systemd-analyze calendar`` prints."""
        join = "~" if self.from_end else "-"
        day = f"{self.year.written(4)}-{self.month.written(2)}{join}{self.day.written(2)}"
        clock = f"{self.hour.written(2)}:{self.minute.written(2)}:{self.second.written(2)}"
        return " ".join(filter(None, (_weekdays_written(self.weekdays), day, clock, self.zone)))


def _weekdays_written(days: frozenset[int]) -> str:
    """``Mon..Fri,Sun``: runs of three and more as ranges; two neighbours are written apart."""
    names = [d.capitalize() for d in DAYS]
    texts, run = [], list[int]()
    for number in [*sorted(days), 99]:
        if run and number != run[-1] + 1:
            texts.append(f"{names[run[0]]}..{names[run[-1]]}" if len(run) > 2 else ",".join(names[d] for d in run))
            run = []
        run.append(number)
    return ",".join(texts)


def parse(text: str) -> Event | None:
    """The event, or None when systemd would not accept it."""
    words = text.split()
    zone = ""
    if len(words) > 1 and (words[-1] == "UTC" or _is_zone(words[-1])):
        zone = words.pop()
    named = NAMED.get(" ".join(words).lower())
    if named is not None:
        words = named.split()
    try:
        return _event(words, zone)
    except ValueError:
        return None


def _is_zone(word: str) -> bool:
    if not re.fullmatch(r"[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", word) or word.lower().startswith(DAYS):
        return False
    try:
        ZoneInfo(word)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _event(words: list[str], zone: str) -> Event:
    if not words or len(words) > 3:
        raise ValueError(words)
    weekdays: frozenset[int] = frozenset()
    if words[0][:1].isalpha():
        weekdays = _weekdays(words.pop(0))
    day = words.pop(0) if words and ":" not in words[0] else ""
    clock = words.pop(0) if words else ""
    if words or (clock and ":" not in clock):
        raise ValueError(words)
    year, month, number, from_end = _date(day)
    parts = clock.split(":") if clock else ["00", "00", "00"]
    if len(parts) == 2:
        parts.append("00")
    if len(parts) != 3:
        raise ValueError(clock)
    hour, minute = _part(parts[0], 0, 23), _part(parts[1], 0, 59)
    return Event(weekdays, year, month, number, from_end, hour, minute, _part(parts[2].partition(".")[0], 0, 59), zone)


def _date(text: str) -> tuple[Part, Part, Part, bool]:
    anything = Part(())
    if not text:
        return anything, anything, anything, False
    found = re.fullmatch(r"(?:([^-~]+)-)?([^-~]+)([-~])([^-~]+)", text)
    if found is None:
        raise ValueError(text)
    year = _part(found[1], 0, MAX_YEAR, year=True) if found[1] else anything
    return year, _part(found[2], 1, 12), _part(found[4], 1, 31), found[3] == "~"


def _weekdays(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.rstrip(",").split(","):
        first, ranged, last = part.replace("..", "-").partition("-")
        start, end = _weekday(first), _weekday(last or first)
        if start > end or (ranged and not last):
            raise ValueError(text)
        days.update(range(start, end + 1))
    return frozenset() if len(days) == 7 else frozenset(days)


def _weekday(text: str) -> int:
    lower = text.lower()
    return FULL.index(lower) if lower in FULL else DAYS.index(lower)


def _part(text: str, low: int, high: int, *, year: bool = False) -> Part:
    if text == "*":
        return Part(())
    spans = []
    for piece in text.split(","):
        span, slash, step_text = piece.partition("/")
        step = _number(step_text) if slash else 0
        if slash and not step:
            raise ValueError(text)
        start, dots, end = span.partition("..")
        first = low if start == "*" else _number(start)
        if year and first < 100 and start != "*":
            first += 2000 if first < 70 else 1900
        last = _number(end) if dots else None
        if not low <= first <= high or (last is not None and not first <= last <= high):
            raise ValueError(text)
        spans.append((first, last, step))
    if any(step == 1 and first == low and last is None for first, last, step in spans):
        return Part(())
    return Part(tuple(sorted(set(spans), key=lambda s: (s[0], s[1] or 0, s[2]))))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text)


def next_elapse(event: Event, after: datetime) -> datetime | None:
    """The first elapse strictly after a zone-aware moment, in its zone; None when it is never within eight years."""
    if after.tzinfo is None:
        raise ValueError("next_elapse needs a moment with a time zone")
    zone = ZoneInfo(event.zone) if event.zone else after.tzinfo
    start = after.astimezone(UTC)
    local = after.astimezone(zone)
    clock = event.times()
    for offset in range(HORIZON_DAYS):
        day = local.date() + timedelta(days=offset)
        if event.on(day):
            for wall in clock:
                moment = _moment(datetime.combine(day, wall, zone))
                if moment is not None and moment > start:
                    return moment.astimezone(after.tzinfo)
    return None


def _moment(wall: datetime) -> datetime | None:
    """The moment of a wall-clock time: the first of two, None for a skipped one."""
    moment = wall.astimezone(UTC)
    back = moment.astimezone(wall.tzinfo)
    return moment if (back.hour, back.minute, back.second) == (wall.hour, wall.minute, wall.second) else None


def span(text: str) -> float | None:
    """Seconds of a time span (``1h 30min``, ``5``, ``infinity``), or None when systemd would not read it."""
    stripped = text.strip()
    if stripped == "infinity":
        return float("inf")
    found = re.findall(r"([\d.]+)\s*([a-zA-Zµ]*)\s*", stripped)
    if not found or re.fullmatch(r"(?:[\d.]+\s*[a-zA-Zµ]*\s*)+", stripped) is None:
        return None
    try:
        return sum(float(number) * _UNITS[unit if unit in ("M", "m") else unit.lower()] for number, unit in found)
    except (KeyError, ValueError):
        return None
