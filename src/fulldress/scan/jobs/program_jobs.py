"""Jobs that a call schedules: node-cron and its kin, Laravel, APScheduler, Oracle, MySQL, PowerShell.

Pure. Only literals are read; a schedule that a program puts together is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import crontab
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.package import Entry
from fulldress.scan.jobs.embedded_shell import MAKEFILE
from fulldress.scan.jobs.job import Job
from fulldress.scan.reading import acting_lines, is_code, is_comment, is_vendored
from fulldress.scan.rule import Context

CALL = Pattern(
    r"(\b(CronJob|scheduleJob|from_crontab|AddFunc|cron\.schedule|Cron)|->cron)\s{0,2}\(\s{0,4}"
    r"[\"'`][\d*/, \t?A-Za-z-]{9,60}[\"'`]"
)
DAILY = Pattern(r"(->dailyAt|\.day\.at|\.do_daily_at)\s{0,2}\(\s{0,4}[\"']\d{1,2}:\d\d")
TRIGGER = Pattern(r"\b(add_job|CronTrigger|scheduled_job)\s{0,2}\([^\n]{0,200}\bhour\s{0,2}=")
ORACLE = Pattern(r"(?i)repeat_interval\s{0,20}=>\s{0,4}'[^'\n]{0,20}FREQ=")
EVENT = Pattern(r"(?i)\bON\s{1,8}SCHEDULE\s{1,8}(EVERY|AT)\s")
POWERSHELL = Pattern(r"(?i)\bNew-(Scheduled(Task|Job)Trigger|JobTrigger)\s")
WRITTEN = Pattern(r"\bcrontab\s{1,4}-|/etc/cron(tab|\.d/)|/spool/cron")
INLINE = Pattern(r"[{,]\s{0,4}\"[cC]ron\"\s{0,2}:\s{0,2}\"[\d*]")
"""``{ "Cron": "0 22 * * *", ... }`` within a line of settings."""
WHENEVER = Pattern(r"^\s{0,8}every\s{1,4}[\w:.]{1,30},\s{0,4}at:\s{0,4}[\"']\d")
LOOKS_FOR = (INLINE, WHENEVER, CALL, DAILY, TRIGGER, ORACLE, EVENT, POWERSHELL, WRITTEN)

_CALLED = late(r"(?:CronJob|scheduleJob|from_crontab|AddFunc|cron\.schedule|Cron|->cron)\s*\(\s*[\"'`]([^\"'`]+)[\"'`]")
_ZONE = late(r"(?i)\b(?:timezone|timeZone|tz|zone)[\"']?\s*[:=,(]\s*[\"']([A-Z]\w+/[\w/+-]+|UTC)[\"']")
_CLOCK = late(r"(?:->dailyAt|\.day\.at|\.do_daily_at)\s*\(\s*[\"'](\d{1,2}):(\d\d)")
_KEYWORD = late(r"\b(minute|hour|day_of_week|day|month)\s*=\s*[\"']?([\w*/-]+(?:,[\w*/-]+)*)")
_EVERY_DAY = late(r"(?i)EVERY\s+1\s+(DAY|WEEK)\b(?:.{0,40}?STARTS\s+(?:TIMESTAMP\s*)?'\d{4}-\d\d-\d\d[ T](\d\d):(\d\d))?")
_AT_CLOCK = late(r"(?i)\s-At\s+[\"']?(\d{1,2})(?::(\d\d))?(?::\d\d)?\s*([ap]m)?\b")
_ECHOED = late(r"[\"']((?:[\d*/,-]+[ \t]+){5})([^\"'\n]+)")
NEAR = 3
"""Lines around the name of a crontab in which a job may stand."""


def in_programs(context: Context) -> Iterator[Job]:
    """Every such job; third-party libraries have none of their own."""
    told: set[tuple[str, int]] = set()
    for entry, number, line in acting_lines(context, *LOOKS_FOR, among=lambda e: not is_vendored(e.place)):
        schedule, command, zone = _scheduled(context, entry, number, line)
        found = [(number, line, schedule, command)] if schedule else list(_echoed(context, entry, number))
        for at, text, when, run in found:
            if (entry.place, at) not in told and crontab.parse_schedule(when) is not None:
                told.add((entry.place, at))
                yield Job(entry.place, at, when, run, False, text.strip(), kind="program", zone=zone)


def _scheduled(context: Context, entry: Entry, number: int, line: str) -> tuple[str, str, str]:
    """(schedule as cron writes it, command, zone); "" where nothing is known."""
    if entry.place.endswith((".ps1", ".psm1")):
        return _powershell(line), "", ""
    if (oracle := re.search(r"(?i)repeat_interval\s*=>\s*'([^']*)'", line)) is not None:
        return _calendar(oracle[1]), "", ""
    if (event := _EVERY_DAY.search(line)) is not None:
        clock = f"{int(event[3])} {int(event[2])}" if event[2] else "0 0"
        return (f"{clock} * * *" if event[1].upper() == "DAY" else ""), line.strip()[:200], ""
    if entry.place.endswith(".json"):
        found = _IN_LINE.search(line)
        return (" ".join(found[1].split()[-5:]) if found is not None else ""), "", ""
    if entry.place.endswith(".rb") and (every := _EVERY.match(line)) is not None:
        hour = int(every[2]) % 12 + (12 if every[4].lower() == "pm" else 0) if every[4] else int(every[2])
        day = _RUBY_DAYS.get(every[1], "*")
        return (f"{int(every[3] or 0)} {hour} * * {day}" if hour < HOURS else ""), "", ""
    if is_code(entry.place):
        called = _called(line)
        if called:
            return called, "", _zone(context, entry, number)
    return "", "", ""


HOURS = 24
_EVERY = late(r"""(?i)^\s*every\s+([\w:.]+),\s*at:\s*["'](\d{1,2})(?::(\d\d))?\s*([ap]m)?["']""")
_RUBY_DAYS = {
    **{
        f":{n}": str(i) for i, n in enumerate(("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"))
    },
    ":weekday": "1-5",
    ":weekend": "0,6",
}


_IN_LINE = late(r"""[{,]\s*"[cC]ron"\s*:\s*"((?:[\d*/,-]+\s+){4,5}[\d*/,\w-]+)\"""")


def _called(line: str) -> str:
    if (call := _CALLED.search(line)) is not None:
        fields = call[1].split()
        return " ".join(fields[-5:]) if len(fields) in (5, 6) else ""  # six: seconds stand first
    if (clock := _CLOCK.search(line)) is not None:
        return f"{int(clock[2])} {int(clock[1])} * * *"
    if re.search(r"\b(?:add_job|CronTrigger|scheduled_job)\s*\(", line):
        given = dict(_KEYWORD.findall(line))
        order = ("minute", "hour", "day", "month", "day_of_week")
        return " ".join(given.get(name, "0" if name == "minute" else "*") for name in order) if "hour" in given else ""
    return ""


def _zone(context: Context, entry: Entry, number: int) -> str:
    """A zone that is named in the call, or just below it."""
    lines = (context.text(entry) or "").split("\n")[number - 1 : number + NEAR]
    found = _ZONE.search("\n".join(lines))
    if found is None and entry.place.endswith(".go") and "WithLocation(time.UTC)" in (context.text(entry) or ""):
        return "UTC"
    return found[1] if found is not None else ""


def _calendar(text: str) -> str:
    """``FREQ=DAILY;BYHOUR=2;BYMINUTE=10`` of Oracle's scheduler."""
    given = dict(part.upper().split("=", 1) for part in re.sub(r"\s", "", text).split(";") if "=" in part)
    days = ",".join(str(_DAYS[day]) for day in given.get("BYDAY", "").split(",") if day in _DAYS) or "*"
    if given.get("FREQ") == "HOURLY":
        return f"{given.get('BYMINUTE', '0')} */{given.get('INTERVAL', '1')} * * *"
    if given.get("FREQ") not in ("DAILY", "WEEKLY") or given.get("INTERVAL", "1") != "1" or "BYHOUR" not in given:
        return ""
    return f"{given.get('BYMINUTE', '0')} {given['BYHOUR']} * * {days}"


_DAYS = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}


def _powershell(line: str) -> str:
    clock = _AT_CLOCK.search(line)
    if clock is None or re.search(r"(?i)\s-(Daily|Weekly)\b", line) is None:
        return ""
    hour = int(clock[1]) % 12 + (12 if clock[3].lower() == "pm" else 0) if clock[3] else int(clock[1])
    named = re.search(r"(?i)-DaysOfWeek\s+([\w, ]+)", line)
    days = [str(_DAYS[day[:3].upper()]) for day in re.findall(r"\w+", named[1]) if day[:3].upper() in _DAYS] if named else []
    return f"{int(clock[2] or 0)} {hour} * * {','.join(days) or '*'}"


def _echoed(context: Context, entry: Entry, number: int) -> Iterator[tuple[int, str, str, str]]:
    """(line, text, schedule, command) of what a program or a recipe writes for cron, beside where it names a crontab."""
    if not (is_code(entry.place) or MAKEFILE.search(entry.place)):
        return
    lines = (context.text(entry) or "").split("\n")
    for at in range(max(1, number - NEAR), min(len(lines), number + NEAR) + 1):
        found = _ECHOED.search(lines[at - 1][:MAX_LINE])
        if found is not None and not is_comment(lines[at - 1]):
            yield at, lines[at - 1], " ".join(found[1].split()), found[2].replace("\\n", "").strip()


MAX_LINE = 1000
