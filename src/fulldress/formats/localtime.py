"""From what a person wrote as a local time to the moment that it means, in the estate's zone. Pure.

A local time says nothing on its own where clocks change: once a year an hour of it does not exist (a half on Lord Howe
Island, a whole day on Samoa in 2011), once a year one happens twice. Neither is guessed here: both are refused, with what to
write instead. Times that schedulers read are theirs to resolve (``formats.crontab``, ``calendar``, ``quartz``).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fulldress.errors import UsageError
from fulldress.model.estate import Estate
from fulldress.model.release import Release

START = "[window] start in release.toml"


def zone_name(release: Release | None, estate: Estate | None) -> str:
    """The estate's zone: declared, else the first host's."""
    declared = release.estate.timezone if release is not None else ""
    if estate is not None and estate.hosts and declared in ("", "UTC"):
        return estate.hosts[0].timezone or "UTC"
    return declared or "UTC"


def zone(name: str) -> ZoneInfo:
    """The zone of that name. UsageError when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"there is no time zone {name!r}",
            why="local times cannot be told without it",
            fix='name one of the IANA list in release.toml: [estate] timezone = "Europe/Vienna"',
            slug="time-zone-unknown",
        ) from error


def moment(text: str, name: str, what: str) -> datetime:
    """The moment of a local time in the zone of that name; a time with an offset of its own is taken by that.

    ``what``: whose time it is, for the message. UsageError when it is no time, does not exist or happens twice.
    """
    there = zone(name)
    try:
        found = datetime.fromisoformat(text.strip())
        if found.tzinfo is not None:
            return found.astimezone(there)
        early, late = (found.replace(tzinfo=there, fold=fold) for fold in (0, 1))
        instants = early.astimezone(UTC), late.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{what}: {text!r} is no time", why=str(error), fix="write it as 2026-11-29T02:30", slug="time-unreadable"
        ) from error
    if instants[0] == instants[1]:
        return early
    if instants[0] < instants[1]:
        raise _twice(found, name, what, early, late)
    raise _never(found, name, what, *change(instants[1], instants[0], there))


def _twice(wall: datetime, name: str, what: str, early: datetime, late: datetime) -> UsageError:
    first, second = early.isoformat(timespec="minutes"), late.isoformat(timespec="minutes")
    return UsageError(
        f"{what}: {wall:%Y-%m-%dT%H:%M} happens twice in {name}",
        why=f"the clocks are set back there: it is {first}, and once more {second}",
        fix=f"write the one that is meant, with its offset: {first} or {second}",
        slug="time-happens-twice",
    )


def _never(wall: datetime, name: str, what: str, before: datetime, after: datetime) -> UsageError:
    last, first = before.isoformat(timespec="minutes"), after.isoformat(timespec="minutes")
    return UsageError(
        f"{what}: {wall:%Y-%m-%dT%H:%M} does not exist in {name}",
        why=f"the clocks are set forward there: the minute after {last} is {first}",
        fix=f"write a time that exists: until {before:%Y-%m-%dT%H:%M}, or from {after:%Y-%m-%dT%H:%M} on",
        slug="time-does-not-exist",
    )


def change(low: datetime, high: datetime, there: tzinfo) -> tuple[datetime, datetime]:
    """The last minute before a change of the clocks between two moments, and the first after it; in that zone."""
    before = low.astimezone(there).utcoffset()
    low, high = low.astimezone(UTC), high.astimezone(UTC)
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(there).utcoffset() == before:
            low = middle
        else:
            high = middle
    first = high.replace(microsecond=0)
    return (first - timedelta(minutes=1)).astimezone(there), first.astimezone(there)


def window(release: Release | None, estate: Estate | None = None) -> tuple[datetime, datetime] | None:
    """Start and end of the declared window in the estate's zone, clock changes included; None when none is declared.

    UsageError when its start cannot be told.
    """
    if release is None or not release.window.start:
        return None
    start = moment(release.window.start, zone_name(release, estate), START)
    return start, later(start, release.window.minutes * 60)


def later(start: datetime, seconds: float) -> datetime:
    """So many seconds later. Python adds to the clock's hands, which go wrong by an hour where clocks change."""
    return (start.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(start.tzinfo)


def elapsed(start: datetime, end: datetime) -> float:
    """Seconds that pass between two moments, clock changes included."""
    return (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds()


def shown(moment_: datetime) -> str:
    """Hours and minutes; with the offset on a day on which the clocks change, where hours alone would mislead."""
    day = moment_.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    quiet = day.utcoffset() == (day + timedelta(days=1)).utcoffset()
    return f"{moment_:%H:%M}" if quiet else f"{moment_:%H:%M} {moment_.isoformat()[-6:]}"


def today(release: Release | None, estate: Estate | None = None) -> date:
    """The day that it is in the estate's zone: a waiver counts to the end of its last day there."""
    return datetime.now(zone(zone_name(release, estate))).date()
