"""Jobs that are declared over several lines: anacron, Puppet, Chef, Salt, Nomad, Hangfire, Spring's long annotations.

Pure. A block is read from the line that opens it to where it closes, and only literals count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import crontab, quartz
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.package import Entry
from fulldress.scan.jobs.job import Job
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_vendored
from fulldress.scan.rule import Context

SPRING = Pattern(r"^\s{2,40}cron\s{0,4}=\s{0,4}\"[\w*?,/#-]{1,20}\s")
HANGFIRE = Pattern(r"\bRecurringJob\.AddOrUpdate\b|\bAddOrUpdate<")
PUPPET = Pattern(r"^\s{0,20}cron\s{0,4}\{\s{0,4}[\"'$]")
CHEF = Pattern(r"^\s{0,20}cron(_d)?\s{1,4}[\"'][^\n]{1,80}\sdo\b")
SALT = Pattern(r"^\s{1,20}(-\s)?cron\.present:")
NOMAD = Pattern(r"^\s{0,20}periodic\s{0,4}\{")
LOOKS_FOR = (SPRING, HANGFIRE, PUPPET, CHEF, SALT, NOMAD)

_FIELDS = ("minute", "hour", "monthday", "month", "weekday")
_NAMES = {"day": "monthday", "daymonth": "monthday", "dayweek": "weekday"}
_SETTING = late(r"""^\s*(?:-\s+)?(\w+)\s*(?:=>|:|\s)\s*["']?(.*?)["']?\s*,?\s*$""")
_CRON = late(r"""["']((?:[\w*?,/#-]+\s+){4}[\w*?,/#-]+)["']""")
_SHORT = late(r"\bCron\.Daily\(\s*(\d{1,2})\s*(?:,\s*(\d{1,2})\s*)?\)")
_ASSIGNED = late(r"""^\s*(cron|time_zone)\s*=\s*"([^"]+)\"""")
_ANACRON = late(r"^\s*(\d+|@\w+)\s+\d+\s+\S+\s+(\S.*)$")
REACH = 20
"""Lines that a block may have."""


def declared(context: Context) -> Iterator[Job]:
    """Every such job; third-party libraries have none of their own."""
    for entry in context.naming("anacrontab"):
        if standing(entry.place) == "acting" and entry.place.endswith("/anacrontab"):
            yield from _anacron(entry, context.text(entry) or "")
    for entry, number, line in acting_lines(context, *LOOKS_FOR, among=lambda e: not is_vendored(e.place)):
        lines = (context.text(entry) or "").split("\n")
        job = _read(entry, lines, number, line) if standing(entry.place) == "acting" else None
        if job is not None:
            yield job


def _read(entry: Entry, lines: list[str], number: int, line: str) -> Job | None:
    place = entry.place
    if place.endswith((".java", ".kt", ".groovy", ".scala")):
        return _spring(entry, lines, number, line)
    if place.endswith(".cs"):
        return _hangfire(entry, lines, number)
    if place.endswith((".nomad", ".hcl")):
        return _nomad(entry, lines, number)
    end = {".pp": "}", ".rb": "end"}.get(place[-3:], "")
    return _block(entry, lines, number, end) if end or place.endswith(".sls") else None


def _anacron(entry: Entry, text: str) -> Iterator[Job]:
    """``1 10 name command``: so many days after the last time, at no known hour."""
    for number, line in enumerate(text.split("\n"), 1):
        found = _ANACRON.match(line)
        if found is not None:
            days = int(found[1]) if found[1].isdecimal() else 30
            shown = f"every {days} d"
            yield Job(entry.place, number, shown, found[2].strip(), False, line.strip(), period=days * 86400.0)


def _spring(entry: Entry, lines: list[str], number: int, line: str) -> Job | None:
    """``@Scheduled(`` some lines above its ``cron =``."""
    above = "\n".join(lines[max(0, number - 5) : number - 1])
    fields = line.partition('"')[2].partition('"')[0].strip()
    if "@Scheduled(" not in above or quartz.parse(fields, spring=True) is None:
        return None
    zone = re.search(r'\bzone\s*=\s*"([\w/+-]+)"', "\n".join(lines[max(0, number - 4) : number + 3]))
    return Job(entry.place, number, fields, "", False, line.strip(), kind="spring", zone=zone[1] if zone else "")


def _hangfire(entry: Entry, lines: list[str], number: int) -> Job | None:
    """The schedule is one of the arguments; Hangfire's clock is UTC unless it is told otherwise."""
    call = _until(lines[number - 1 : number + 8], ";")
    zone = "" if "TimeZoneInfo.Local" in "\n".join(call) else "UTC"
    for at, line in enumerate(call, number):
        text, short = _CRON.search(line), _SHORT.search(line)
        schedule = (
            text[1] if text is not None else f"{int(short[2] or 0)} {int(short[1])} * * *" if short is not None else ""
        )
        if crontab.parse_schedule(schedule) is not None:
            return Job(entry.place, at, schedule, "", False, line.strip(), kind="program", zone=zone)
    return None


def _nomad(entry: Entry, lines: list[str], number: int) -> Job | None:
    given: dict[str, tuple[int, str]] = {}
    for at, line in enumerate(_until(lines[number : number + 6], "}"), number + 1):
        if (found := _ASSIGNED.match(line)) is not None:
            given[found[1]] = (at, found[2])
    at, schedule = given.get("cron", (0, ""))
    if crontab.parse_schedule(schedule) is None:
        return None
    zone = given.get("time_zone", (0, "UTC"))[1]
    return Job(entry.place, at, schedule, "", False, lines[at - 1].strip(), kind="program", zone=zone)


def _block(entry: Entry, lines: list[str], number: int, end: str) -> Job | None:
    """Fields of cron by name: Puppet's and Chef's until the block closes, Salt's while it is indented."""
    depth = len(lines[number - 1]) - len(lines[number - 1].lstrip(" "))
    given: dict[str, tuple[int, str]] = {}
    for at, line in enumerate(lines[number : number + REACH], number + 1):
        bare = line.strip()
        if (end and bare.rstrip(";") == end) or (not end and bare and len(line) - len(line.lstrip(" ")) <= depth):
            break
        if (found := _SETTING.match(line)) is not None:
            given[_NAMES.get(found[1], found[1])] = (at, found[2])
    if not given.keys() & set(_FIELDS) or "absent" in (value.strip(":") for _, value in given.values()):
        return None
    schedule = " ".join(given.get(name, (0, "*"))[1].replace(" ", "") for name in _FIELDS)
    command, user = given.get("command", given.get("name", (0, "")))[1], given.get("user", (0, ""))[1]
    if crontab.parse_schedule(schedule) is None:
        return None
    at = given.get("hour", given.get("minute", (number, "")))[0]
    return Job(entry.place, at, schedule, command, False, lines[number - 1].strip(), kind="program", user=user)


def _until(lines: list[str], end: str) -> list[str]:
    """The lines up to the first that ends so, itself included."""
    for count, line in enumerate(lines, 1):
        if line.rstrip().endswith(end):
            return lines[:count]
    return lines
