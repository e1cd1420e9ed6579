"""Which scheduled jobs fall due in the window, computed from what a machine itself says of its schedules. Pure; no I/O.

``SURVEY`` is the script that asks the machine (crontabs of all kinds, anacron, timers, the at queue); ``due`` reads its
answer. A job that falls due several times in the window is fired once, together with as many others as possible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from fulldress.formats import calendar, cronlint, crontab, localtime
from fulldress.formats.zonefile import FARTHEST_S
from fulldress.model.estate import CronJob
from fulldress.model.release import Release

MOST_MOMENTS = 1440
SURVEY = r"""
m=$1
file() { [ -f "$2" ] && printf '%s %s %s\n' "$m" "$1" "$2" && cat -- "$2" && echo; }
printf '%s zone %s\n' "$m" "$(readlink -f /etc/localtime)"
for unit in cron crond atd; do
  systemctl is-active -q "$unit.service" && printf '%s runs %s\n' "$m" "$unit"
done
file system /etc/crontab
for f in /etc/cron.d/*; do
  case "${f##*/}" in *[!A-Za-z0-9_-]*) ;; *) file system "$f" ;; esac
done
for f in /var/spool/cron/crontabs/* /var/spool/cron/*; do file user "$f"; done
command -v anacron >/dev/null && file anacron /etc/anacrontab
for f in /var/spool/anacron/*; do file stamp "$f"; done
for f in /var/spool/cron/atjobs/* /var/spool/at/*; do
  [ -f "$f" ] && printf '%s at %s\n' "$m" "$f" && stat -c %U "$f" && cat -- "$f" && echo
done
for d in hourly daily weekly monthly; do
  printf '%s parts /etc/cron.%s\n' "$m" "$d"; run-parts --list "/etc/cron.$d" 2>/dev/null
done
printf '%s timers -\n' "$m"
systemctl show '*.timer' --no-pager -p Id -p Unit -p TimersCalendar -p TimersMonotonic -p ActiveState
true
"""
"""One argument: a mark that no file contains, before every part of the answer."""

_PROPERTY = re.compile(r"\{ (?P<name>\w+)=(?P<value>.*?) ; ")
_AT_NAME = re.compile(r"^[a-z=][0-9a-f]{5}(?P<minutes>[0-9a-f]{8})$", re.IGNORECASE)
_PARTS = re.compile(r"run-parts\b[^;&|}]*?(/etc/cron\.\w+)")
_INTERVALS = ("OnUnitActiveUSec", "OnUnitInactiveUSec")
Kind = Literal["cron", "anacron", "timer", "at"]


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A job that falls due in the window."""

    kind: Kind
    name: str
    """Unit, or ``file:line``."""
    command: str
    moments: tuple[float, ...]
    """When, in seconds since the epoch."""
    schedule: str
    """As written."""
    user: str = "root"
    starts: str = ""
    """The unit that a timer starts; the file of an at job; the identifier of an anacron job."""
    settings: dict[str, str] = {}
    """Variables that stand above it in its crontab."""
    direct: str = ""
    """Why no shifted clock can fire it; empty when its own scheduler can."""

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes it the same job after a change of its time."""
        return self.kind, self.user, self.starts or self.command


class Schedules(NamedTuple):
    """A machine's schedules and the zone in which it reads them."""

    zone: ZoneInfo
    due: tuple[Due, ...]
    notes: tuple[str, ...]


class Span(NamedTuple):
    """The window, with its time zone."""

    start: datetime
    minutes: float

    @property
    def begin(self) -> float:
        """Seconds since the epoch."""
        return self.start.timestamp()

    @property
    def end(self) -> float:
        """Seconds since the epoch."""
        return self.begin + self.minutes * 60


def window(release: Release) -> Span | None:
    """The declared window in the estate's time zone; None when none is declared. UsageError when it cannot be told."""
    declared = localtime.window(release)
    return Span(declared[0], release.window.minutes) if declared is not None else None


class _Part(NamedTuple):
    kind: str
    place: str
    text: str


def due(answer: str, mark: str, span: Span) -> Schedules:
    """What falls due in the window by the machine's answer to ``SURVEY``, the earliest first."""
    parts = list(_parts(answer, mark))
    running = {part.place for part in parts if part.kind == "runs"}
    zone = _zone(next((part.place for part in parts if part.kind == "zone"), ""), span)
    found: list[Due] = []
    notes: list[str] = []
    if running & {"cron", "crond"}:
        found += _cron(parts, span, zone, "" if "cron" in running else "its cron does not tell how a job ended")
    elif any(part.kind in ("system", "user") for part in parts):
        notes.append("No cron runs on the machine: its crontabs fire nothing.")
    found += [one for part in parts if part.kind == "timers" for one in _timers(part.text, span, zone)]
    found += _anacron(parts, found, zone)
    found += [one for part in parts if part.kind == "at" and "atd" in running for one in _at(part, span)]
    return Schedules(zone, tuple(sorted(found, key=lambda one: (one.moments[0], one.name))), tuple(notes))


def _parts(answer: str, mark: str) -> Iterator[_Part]:
    for block in answer.split(mark + " ")[1:]:
        head, _, text = block.partition("\n")
        kind, _, place = head.partition(" ")
        yield _Part(kind, place, text)


def _zone(place: str, span: Span) -> ZoneInfo:
    """The zone of the machine's own clock; the estate's when it cannot be told."""
    name = place.partition("zoneinfo/")[2].removeprefix("posix/").removeprefix("right/")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return span.start.tzinfo if isinstance(span.start.tzinfo, ZoneInfo) else ZoneInfo("UTC")


def _cron(parts: Sequence[_Part], span: Span, zone: ZoneInfo, direct: str) -> Iterator[Due]:
    scripts = {part.place: part.text.split() for part in parts if part.kind == "parts"}
    for part in parts:
        if part.kind not in ("system", "user"):
            continue
        system = part.kind == "system"
        for job in crontab.jobs(part.text, file=part.place, system=system):
            moments = _firings(job, span, zone)
            runs = _PARTS.search(job.command)
            if not moments or (runs is not None and not scripts.get(runs[1])):
                continue  # run-parts over nothing is nothing
            yield Due(
                kind="cron",
                name=f"{part.place}:{job.line}",
                command=job.command,
                moments=moments,
                schedule=job.schedule,
                user=job.user.partition(":")[0] if system else part.place.rpartition("/")[2],
                settings={one.name: one.value for one in cronlint.settings(part.text) if one.line < job.line},
                direct=direct,
            )


def _firings(job: CronJob, span: Span, zone: ZoneInfo) -> tuple[float, ...]:
    return tuple(_until(span, (crontab.next_firing(job.schedule, at) for at in _after(span, zone))))


def _after(span: Span, zone: ZoneInfo) -> list[datetime]:
    """A moment before each minute of the window, to ask for what comes next."""
    begin = datetime.fromtimestamp(span.begin - 60, zone)
    return [
        datetime.fromtimestamp(begin.timestamp() + 60 * n, zone) for n in range(min(MOST_MOMENTS, int(span.minutes) + 1))
    ]


def _until(span: Span, moments: Iterable[datetime | None]) -> list[float]:
    """The moments within the window, each once; stops asking at the first that lies beyond."""
    found: list[float] = []
    for moment in moments:
        if moment is None or moment.timestamp() > span.end:
            break
        if moment.timestamp() >= span.begin and moment.timestamp() not in found:
            found.append(moment.timestamp())
    return found


def _timers(text: str, span: Span, zone: ZoneInfo) -> Iterator[Due]:
    for block in text.split("\n\n"):
        facts: dict[str, list[str]] = {}
        for line in block.strip().splitlines():
            key, _, value = line.partition("=")
            facts.setdefault(key, []).append(value)
        if facts.get("ActiveState") == ["active"] and "Id" in facts:
            yield from _timer(facts, span, zone)


def _timer(facts: dict[str, list[str]], span: Span, zone: ZoneInfo) -> Iterator[Due]:
    """By its calendar, else by its interval; what fires only after boot is not due."""
    name, starts = facts["Id"][0], facts.get("Unit", [""])[0]
    told = [match["value"] for value in facts.get("TimersCalendar", ()) if (match := _PROPERTY.search(value))]
    events = [(text, event) for text in told if (event := calendar.parse(text)) is not None]
    for text, event in events:
        moments = tuple(_until(span, (calendar.next_elapse(event, at) for at in _after(span, zone))))
        if moments:
            direct = f"its calendar event names a zone of its own, {event.zone}" if event.zone else ""
            yield Due(kind="timer", name=name, command=starts, starts=starts, moments=moments, schedule=text, direct=direct)
            return
    for value in facts.get("TimersMonotonic", ()):
        match = _PROPERTY.search(value)
        every = calendar.span(match["value"]) if match and match["name"] in _INTERVALS else None
        if match and every is not None and every <= span.minutes * 60:
            why = f"it fires at an interval ({match['value']}), which no wall clock starts"
            schedule = f"{match['name']}={match['value']}"
            yield Due(
                kind="timer", name=name, command=starts, starts=starts, moments=(span.begin,), schedule=schedule, direct=why
            )
            return


def _anacron(parts: Sequence[_Part], others: Sequence[Due], zone: ZoneInfo) -> Iterator[Due]:
    """Anacron's jobs, when something that calls anacron falls due; then those whose days are over by that date."""
    callers = [one for one in others if one.starts == "anacron.service" or re.search(r"\banacron\b *(?:-|$)", one.command)]
    if not callers:
        return
    at = callers[0].moments[0]
    stamps = {part.place.rpartition("/")[2]: part.text.strip() for part in parts if part.kind == "stamp"}
    periods = {"@daily": 1, "@weekly": 7, "@monthly": 30, "@yearly": 365}
    for part in parts:
        if part.kind != "anacron":
            continue
        for number, line in enumerate(part.text.split("\n"), 1):
            words = line.split(None, 3)
            if len(words) < 4 or line.lstrip().startswith("#") or crontab.is_setting(line):
                continue
            days = periods.get(words[0]) or (int(words[0]) if words[0].isdecimal() else 0)
            if days and _over(stamps.get(words[2], ""), days, datetime.fromtimestamp(at, zone)):
                why = f"anacron would start it some {words[1]} minutes after it is called; it was told to start it now"
                yield Due(
                    kind="anacron",
                    name=f"{part.place}:{number}",
                    command=words[3],
                    starts=words[2],
                    moments=(at,),
                    schedule=f"every {days} days",
                    direct=why,
                )


def _over(stamp: str, days: int, at: datetime) -> bool:
    try:
        last = datetime.strptime(stamp, "%Y%m%d")
    except ValueError:
        return True
    return (at.date() - last.date()).days >= days


def _at(part: _Part, span: Span) -> Iterator[Due]:
    match = _AT_NAME.match(part.place.rpartition("/")[2])
    moment = int(match["minutes"], 16) * 60 if match else 0
    if not span.begin <= moment <= span.end:
        return
    owner, _, script = part.text.partition("\n")
    last = next((line for line in reversed(script.splitlines()) if line.strip() and not line.startswith("marcinDELIM")), "")
    why = "an at job waits for one moment of the epoch, which a clone does not change"
    yield Due(
        kind="at", name=part.place, command=last.strip(), starts=part.place, moments=(float(moment),), schedule="at",
        user=owner.strip() or "root", direct=why,
    )  # fmt: skip


class Wave(NamedTuple):
    """Jobs that one shift of the clock fires together."""

    moment: float
    """When they fall due in production."""
    wall: datetime
    """What the machine's own clock shows then, without zone; of another date when no zone reaches the real one."""
    jobs: tuple[Due, ...]


def waves(waiting: Sequence[Due], zone: ZoneInfo, now: datetime) -> tuple[list[Wave], list[Due]]:
    """The shifts that fire the jobs, as few as will do, in the order of the window; and the jobs that none of them fires.

    ``now``: UTC, without zone.
    """
    chosen: list[Wave] = []
    left = [one for one in waiting if not one.direct]
    while (best := _wave(left, zone, now)) is not None:
        chosen.append(best)
        left = [one for one in left if one not in best.jobs]
    return sorted(chosen, key=lambda wave: wave.moment), left


def _wave(waiting: Sequence[Due], zone: ZoneInfo, now: datetime) -> Wave | None:
    """The moment at which most of them fall due."""
    best: Wave | None = None
    for moment in sorted({at for one in waiting for at in one.moments}):
        there = tuple(one for one in waiting if moment in one.moments)
        wall = datetime.fromtimestamp(moment, zone).replace(tzinfo=None)
        for date in _reachable(wall, now):
            jobs = tuple(one for one in there if fires(one, date))
            if jobs and (best is None or len(jobs) > len(best.jobs)):
                best = Wave(moment, date, jobs)
    return best


def _reachable(wall: datetime, now: datetime) -> list[datetime]:
    """That time of day on every date that a zone reaches from here; the real date first."""
    room = FARTHEST_S - 600  # the clock goes on while it is being shifted
    apart = (now - wall).days
    days = [wall + timedelta(days=apart + more) for more in (-1, 0, 1, 2)]
    return sorted((day for day in days if abs((day - now).total_seconds()) < room), key=lambda day: abs(day - wall))


def fires(job: Due, wall: datetime) -> bool:
    """Whether its scheduler fires the job when the clock shows this."""
    if job.kind == "cron":
        fields = crontab.parse_schedule(job.schedule)
        return fields is not None and fields.on(wall.date()) and wall.minute in fields.minutes and wall.hour in fields.hours
    event = calendar.parse(job.schedule)
    return event is not None and event.on(wall.date()) and wall.time() in event.times()
