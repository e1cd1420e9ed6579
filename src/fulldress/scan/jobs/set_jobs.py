"""Jobs whose times are values of settings under whatever key, and those of EJB timers. Pure.

``nightrun=0 30 22 * * ?`` says when, though no word in the key does; only what is a schedule as a whole counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats import crontab, quartz
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.scan.jobs.job import Job, JobKind
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_vendored
from fulldress.scan.rule import Context
from fulldress.scan.settings.settings_table import settings_lines

EJB = Pattern(r"@Schedule\s{0,2}\(\s{0,2}(second|minute|hour|dayOf|month|year|info|persistent|timezone)")
LOOKS_FOR = (EJB,)
_EJB_PART = late(r'(second|minute|hour|dayOfMonth|month|dayOfWeek|timezone)\s*=\s*"([^"]*)"')
_VALUE = late(
    r"""^\s*(?:-\s+)?["']?([\w.-]+)["']?\s*[:=]\s*["']?((?:[\d*?/,LW#-]+|[A-Z]{3}(?:-[A-Z]{3})?)(?:\s+(?:[\d*?/,LW#-]+|[A-Z]{3}(?:[-,][A-Z]{3})*)){4,6})["']?\s*;?\s*$"""
)
_OTHERS = late(r"(?i)cron[-_.]?expression|^schedule$")
"""Keys that are read elsewhere."""


def set_jobs(context: Context) -> Iterator[Job]:
    """Every such job."""
    for entry, number, line in acting_lines(context, EJB):
        if not is_vendored(entry.place) and standing(entry.place) == "acting":
            yield from _timer(
                entry.place, number, "".join((context.text(entry) or line).split("\n")[number - 1 : number + 4])
            )
    for entry, number, line in settings_lines(context, ("* *", "* ?", "? *")):
        found = _VALUE.match(line)
        if found is None or _OTHERS.search(found[1]):
            continue
        kind = _kind(found[2])
        if kind is not None:
            yield Job(entry.place, number, " ".join(found[2].split()), "", False, line.strip(), kind=kind)


def _kind(fields: str) -> JobKind | None:
    if len(fields.split()) == 5:
        return "cron" if crontab.parse_schedule(fields) is not None else None
    if quartz.parse(fields) is not None:
        return "quartz"
    return "spring" if quartz.parse(fields, spring=True) is not None else None


def _timer(place: str, number: int, text: str) -> Iterator[Job]:
    """``@Schedule(hour = "2")``: what is not said is 0, or any day."""
    call = text.partition("@Schedule")[2].partition(")")[0]
    said = dict(_EJB_PART.findall(call))
    parts = [said.get(n, "0") for n in ("second", "minute", "hour")]
    parts += [said.get(n, "*") for n in ("dayOfMonth", "month", "dayOfWeek")]
    fields = " ".join(re.sub(r"\s+", "", part) for part in parts)
    if quartz.parse(fields, spring=True) is not None:
        yield Job(place, number, fields, "", False, f"@Schedule{call})"[:200], kind="spring", zone=said.get("timezone", ""))
