"""Schedules inside programs: pg_cron, Quartz and Spring, celery beat, Kubernetes CronJobs, Windows' task scheduler.

Pure: reads the Context. Only lines that act are read, and only what the scheduler itself would accept is a job.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise

from fulldress.formats import crontab, quartz
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.package import Entry
from fulldress.scan.jobs import managed_jobs, program_jobs, set_jobs
from fulldress.scan.jobs.job import Job
from fulldress.scan.reading import acting_lines, is_vendored
from fulldress.scan.rule import Context

PG_CRON = Pattern(r"(?i)\bcron\.schedule(?:_in_database)?\s*\(")
JAVA = Pattern(r"(?i)(?:@Scheduled\s*\([^)\n]{0,80}cron\s*=|cronSchedule\s*\(\s*\"|cron[-_.]?expression)")
CELERY = Pattern(r"([\x22']schedule[\x22']\s*:|add_periodic_task\(|\brun_every\s*=)\s*crontab\(")
BEAT = Pattern(r"[\x22']schedule[\x22']\s*:\s*(\d|timedelta\(|datetime\.timedelta\()")
KUBERNETES = Pattern(r"^kind:\s*[\x22']?CronJob\b", once=True)
KUBERNETES_KIND = late(r"(?m)^kind:\s*[\"']?CronJob\b")
SUSPENDED = late(r"(?m)^[ \t]+suspend:\s*true\b")
WINDOWS = Pattern(r"(?i)\bschtasks(?:\.exe)?\s+/create\b")
ANSIBLE = Pattern(r"^\s{2,40}(-\s)?(ansible\.builtin\.)?cron:\s{0,4}$")
LOOKS_FOR = (
    PG_CRON,
    JAVA,
    CELERY,
    BEAT,
    KUBERNETES,
    WINDOWS,
    ANSIBLE,
    *program_jobs.LOOKS_FOR,
    *managed_jobs.LOOKS_FOR,
    *set_jobs.LOOKS_FOR,
)

_QUOTED = r"""(?:'((?:[^']|'')*)'|"([^"]*)"|\$(\w*)\$(.*?)\$\3\$)"""
_PG_CALL = late(rf"(?is)cron\.schedule(?:_in_database)?\s*\(\s*{_QUOTED}\s*,\s*{_QUOTED.replace('3', '7')}")
_PG_COMMAND = late(rf"(?is)\s*,\s*{_QUOTED}")
_CRON_STRING = late(r"""["'=:>\s]((?:[\w*?,/#LW-]+ +){5,6}[\w*?,/#LW-]+)""")
_KEYWORD = late(r"(minute|hour|day_of_week|day_of_month|month_of_year)\s*=\s*(?:['\"]([^'\"]*)['\"]|(\d+))")
_BEAT = late(r"['\"]schedule['\"]\s*:\s*(?:(\d+(?:\.\d+)?)\b|(?:datetime\.)?timedelta\()")
_SPAN = late(r"timedelta\(\s*(seconds|minutes|hours)\s*=\s*(\d+)")
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600}
_CELERY_ZONE = late(r"""(?i)\b(?:celery_)?timezone\s*=\s*['"]([A-Z]\w+(?:/[\w+-]+)*)['"]""")
_TASK = late(r"['\"]task['\"]\s*:\s*['\"]([\w.]+)['\"]")
_DAYS = {"MON": "1", "TUE": "2", "WED": "3", "THU": "4", "FRI": "5", "SAT": "6", "SUN": "0"}


def in_code(context: Context) -> Iterator[Job]:
    """Every job that a program of the package schedules by itself."""
    seen: set[str] = set()
    for entry, number, line in acting_lines(context, PG_CRON, JAVA, CELERY, BEAT, WINDOWS, ANSIBLE):
        if is_vendored(entry.place):
            continue
        lower = line.lower()
        if "cron.schedule" in lower:
            yield from _pg_cron(context, entry, number)
        elif "schtasks" in lower:
            yield from _windows(entry, number, line)
        elif "crontab(" in lower:
            yield from _celery(context, entry, number)
        elif _BEAT.search(line):
            yield from _beat(context, entry, number, line)
        elif lower.rstrip().endswith("cron:"):
            yield from _ansible(context, entry, number)
        else:
            yield from _java(entry, number, line)
    for entry in context.matching(KUBERNETES):
        text = context.text(entry) if entry.place.endswith((".yaml", ".yml", ".json")) else None
        if text is not None and entry.place not in seen:
            seen.add(entry.place)
            yield from _kubernetes(entry, text)


def _pg_cron(context: Context, entry: Entry, number: int) -> Iterator[Job]:
    """``cron.schedule([name,] schedule, command)``; pg_cron's clock is UTC."""
    lines = (context.text(entry) or "").split("\n")
    call = _PG_CALL.search("\n".join(lines[number - 1 : number + 20]))
    if call is None:
        return
    first, second = (
        next((g for g in groups if g), "") for groups in ((call[1], call[2], call[4]), (call[5], call[6], call[8]))
    )
    rest = _PG_COMMAND.match(call.string, call.end())
    third = (
        next((rest[g] for g in (1, 2, 4) if rest[g]), "")
        if rest is not None
        else call.string[call.end() :].partition(";")[0]
    )
    schedule, command = (first, second) if crontab.parse_schedule(first) is not None else (second, third)
    if crontab.parse_schedule(schedule) is not None:
        command = " ".join(command.split()).strip(" ,;)$'")[:200]
        yield Job(entry.place, number, schedule, command, False, lines[number - 1].strip(), kind="pg_cron", zone="UTC")


def _java(entry: Entry, number: int, line: str) -> Iterator[Job]:
    spring = "@scheduled" in line.lower()
    zone = re.search(r"zone\s*=\s*\"([\w/+-]+)\"", line)
    for match in _CRON_STRING.finditer(line):
        fields = match[1].strip()
        for kind in ("spring",) if spring else ("quartz", "spring"):
            if quartz.parse(fields, spring=kind == "spring") is not None:
                yield Job(
                    entry.place,
                    number,
                    fields,
                    "",
                    False,
                    line.strip(),
                    kind="spring" if kind == "spring" else "quartz",
                    zone=zone[1] if zone else "",
                )
                return


def _celery(context: Context, entry: Entry, number: int) -> Iterator[Job]:
    """``"schedule": crontab(minute=0, hour=3)``; celery's clock is UTC unless it is told otherwise."""
    text = context.text(entry)
    if text is None:
        return
    lines = text.split("\n")
    nearby = "\n".join(lines[max(0, number - 4) : number + 3])
    zone = _CELERY_ZONE.search("\n".join(lines))
    inside = lines[number - 1].partition("crontab(")[2].partition(")")[0]
    given = {name: text or digits for name, text, digits in _KEYWORD.findall(inside)}
    plain = [word.strip(" '\"") for word in inside.split(",") if word.strip() and "=" not in word]
    given |= dict(zip(("minute", "hour"), plain, strict=False))
    if entry.place.startswith("celery/") or "/celery/" in entry.place:
        return  # the library itself: its own housekeeping, where someone schedules something
    order = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    schedule = " ".join(given.get(name, "*").replace(" ", "") for name in order)
    task = _TASK.search(nearby)
    if crontab.parse_schedule(schedule) is not None:
        yield Job(
            entry.place,
            number,
            schedule,
            task[1] if task else "",
            False,
            lines[number - 1].strip(),
            kind="celery",
            zone=zone[1] if zone is not None else "UTC",
        )


def _beat(context: Context, entry: Entry, number: int, line: str) -> Iterator[Job]:
    """``"schedule": 300.0`` of celery beat: so many seconds after the last time."""
    text = context.text(entry) or ""
    every, span = _BEAT.search(line), _SPAN.search(line)
    if every is None or not re.search(r"(?i)beat_schedule|CELERYBEAT", text):
        return
    seconds = float(every[1]) if every[1] else float(span[2]) * _SECONDS[span[1]] if span is not None else 0.0
    task = _TASK.search("\n".join(text.split("\n")[max(0, number - 4) : number + 3]))
    if seconds:
        shown = f"every {seconds:g} s"
        yield Job(entry.place, number, shown, task[1] if task else "", False, line.strip(), kind="celery", period=seconds)


_SETTING = late(r"""^\s+(minute|hour|day|month|weekday|job|special_time|state|user):\s*["']?(.*?)["']?\s*$""")


def _ansible(context: Context, entry: Entry, number: int) -> Iterator[Job]:
    """A task of the module ``cron``: its settings stand further in, below it."""
    if not entry.place.endswith((".yml", ".yaml")):
        return
    lines = (context.text(entry) or "").split("\n")
    depth = len(lines[number - 1]) - len(lines[number - 1].lstrip(" -"))
    given: dict[str, str] = {}
    for line in lines[number : number + 20]:
        if line.strip() and len(line) - len(line.lstrip()) <= depth:
            break
        match = _SETTING.match(line)
        if match is not None:
            given[match[1]] = match[2]
    if given.get("state") == "absent" or not {"job", "minute", "hour", "special_time"} & given.keys():
        return
    special = given.get("special_time", "")
    parts = (given.get(name, "*") for name in ("minute", "hour", "day", "month", "weekday"))
    schedule = f"@{special}" if special else " ".join(_value(context, part).replace(" ", "") for part in parts)
    if crontab.parse_schedule(schedule) is not None:
        text, user = lines[number - 1].strip(), given.get("user", "")
        yield Job(entry.place, number, schedule, given.get("job", ""), False, text, kind="ansible", user=user)


def _value(context: Context, text: str) -> str:
    """A setting; a variable is looked up where the package's playbooks set it."""
    variable = re.fullmatch(r"\{\{\s*(\w+)[^}]*\}\}", text)
    if variable is None:
        return text
    setting = re.compile(rf"""(?m)^[^\S\n]*{variable[1]}:[^\S\n]*["']?([\d*,/-]+)["']?[^\S\n]*$""")
    found = {m[1] for _, body in context.texts(".yml", ".yaml") for m in setting.finditer(body)}
    return found.pop() if len(found) == 1 else text


def suspended(text: str, line: int, reason: str) -> str:
    """The manifest with the CronJob whose ``schedule:`` is on that line switched off, the reason above it."""
    lines = text.split("\n")
    indent = lines[line - 1][: len(lines[line - 1]) - len(lines[line - 1].lstrip())]
    lines[line:line] = [f"{indent}# {' '.join(reason.split())}", f"{indent}suspend: true"]
    return "\n".join(lines)


_LIST = late(r"^(\s*)(-\s+)?(?:command|args):\s*(.*)$")
_WORD = late(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s,\]][^,\]]*))\s*,?""")


def _kubernetes(entry: Entry, text: str) -> Iterator[Job]:
    lines = text.split("\n")
    bounds = [-1, *(n for n, line in enumerate(lines) if line.startswith("---")), len(lines)]
    for begin, end in pairwise(bounds):
        document = "\n".join(lines[begin + 1 : end])
        if KUBERNETES_KIND.search(document) is None or SUSPENDED.search(document) is not None:
            continue
        zone = re.search(r"(?m)^[^\S\n]*timeZone:\s*[\"']?([\w/+-]+)", document)
        run, where = _container(document.split("\n")), zone[1] if zone else "UTC"
        for number, line in enumerate(lines[begin + 1 : end], begin + 2):
            match = re.match(r"""\s*schedule:\s*["']?([^"'#]+?)["']?\s*(?:#.*)?$""", line)
            if match is not None and crontab.parse_schedule(match[1]) is not None:
                yield Job(entry.place, number, match[1], run, False, line.strip(), kind="kubernetes", zone=where)


MAX_ITEMS = 500


def _container(lines: list[str]) -> str:
    """What the containers of a manifest run: ``command`` and ``args`` as words of a shell, a line for each container."""
    found: list[str] = []
    for number, line in enumerate(lines):
        match = _LIST.match(line)
        if match is None:
            continue
        words = (
            _items(lines[number + 1 : number + 1 + MAX_ITEMS], len(match[1]) + len(match[2] or ""))
            if not match[3]
            else _WORD.findall(match[3].strip("[] "))
        )
        said = " ".join(shlex.quote((a.replace('\\"', '"') or b or c).strip()) for a, b, c in words)
        if found and line.lstrip(" -").startswith("args"):
            found[-1] += f" {said}"
        else:
            found.append(said)
    return "\n".join(found)


def _items(lines: list[str], depth: int) -> Iterator[tuple[str, str, str]]:
    """The items of a block list, those of several lines (``- |``) whole."""
    parts: list[str] | None = None
    begun = -1
    for line in lines:
        bare = line.lstrip()
        left = len(line) - len(bare)
        if bare and (left < depth or (left == depth and not bare.startswith("- "))):
            break
        if bare.startswith("- ") and (parts is None or left == begun):
            if parts is not None:
                yield "", "", "\n".join(parts)
            begun = left
            item = bare[2:].strip()
            plain = item.strip("\"'") if item[:1] in "\"'" else item
            parts = [] if item in ("|", ">", "|-", ">-", "|+") else [plain]
        elif parts is not None and bare:
            parts.append(bare)
    if parts is not None:
        yield "", "", "\n".join(parts)


def _windows(entry: Entry, number: int, line: str) -> Iterator[Job]:
    """``schtasks /create /sc daily /st 03:00 /tr "CMD"``."""
    options = {m[1].lower(): m[2] or m[3] for m in re.finditer(r'(?i)/(sc|st|tr|d|mo)\s+(?:"([^"]*)"|(\S+))', line)}
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})", options.get("st", "00:00"))
    if clock is None:
        return
    at, every = f"{int(clock[2])} {int(clock[1])}", options.get("mo", "1")
    days = ",".join(_DAYS.get(d.strip().upper(), "1") for d in options.get("d", "MON").split(","))
    schedule = {
        "daily": f"{at} * * *",
        "weekly": f"{at} * * {days}",
        "monthly": f"{at} {options.get('d', '1') if options.get('d', '1').isdecimal() else '1'} * *",
        "hourly": f"{int(clock[2])} */{every if every.isdecimal() else 1} * * *",
        "minute": f"*/{every if every.isdecimal() else 1} * * * *",
    }.get(options.get("sc", "").lower(), "")
    if crontab.parse_schedule(schedule) is not None:
        yield Job(entry.place, number, schedule, options.get("tr", ""), False, line.strip(), kind="windows")
