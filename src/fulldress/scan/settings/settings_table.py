"""One-line settings that a release engineer would not leave as they are: a table, and who reads it. Pure.

A row names the files in which the line means that, so that a word in another program's file is nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_comment, is_prose, is_vendored, memo
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta

MAX_SETTINGS = 256 << 10
"""Larger files are data, not what a person set."""
MAX_SETTING = 1000
"""Characters of a line of settings that are looked at."""
Confirm = Callable[[Sequence[str], int], bool]
"""(all lines of the file, number of the line) -> whether what stands around it makes it so."""


class Row(NamedTuple):
    """One setting."""

    files: re.Pattern[str]
    line: re.Pattern[str]
    severity: Severity
    title: str
    consequence: str
    fix: str
    confirm: Confirm | None = None


def above(pattern: str, reach: int) -> Confirm:
    """What matches within so many lines above, the line itself among them."""
    wanted = late(pattern)
    return lambda lines, number: any(wanted.search(line) for line in lines[max(0, number - reach) : number])


def anywhere(pattern: str) -> Confirm:
    """What matches somewhere in the file."""
    wanted = late(pattern)
    return lambda lines, _number: any(wanted.search(line) for line in lines)


def findings(context: Context, meta: RuleMeta, patterns: tuple[Pattern, ...], rows: tuple[Row, ...]) -> Iterator[Finding]:
    """One finding for each row in a file, at its first line."""
    told: set[tuple[str, str]] = set()

    def wanted(entry: Entry) -> bool:
        return any(row.files.search(entry.place) for row in rows)

    for entry, number, line in acting_lines(context, *patterns, among=wanted):
        yield from _judged(context, meta, rows, told, entry, number, line)


def named(context: Context, meta: RuleMeta, entries: Iterable[Entry], rows: tuple[Row, ...]) -> Iterator[Finding]:
    """The same for files that are few and small and known by their names: they are read whole, and nothing is searched."""
    told: set[tuple[str, str]] = set()
    for entry in entries:
        mine = tuple(row for row in rows if row.files.search(entry.place))
        if not mine or entry.kind != "file" or entry.size > MAX_SETTINGS or is_prose(entry.place):
            continue
        for number, line in enumerate((context.text(entry) or "").split("\n"), 1):
            if line and not is_comment(line):
                yield from _judged(context, meta, mine, told, entry, number, line[:MAX_SETTING])


def _judged(
    context: Context,
    meta: RuleMeta,
    rows: tuple[Row, ...],
    told: set[tuple[str, str]],
    entry: Entry,
    number: int,
    line: str,
) -> Iterator[Finding]:
    row = next((r for r in rows if r.files.search(entry.place) and r.line.search(line)), None)
    if row is None or (entry.place, row.title) in told or standing(entry.place) != "acting":
        return
    if role(context, entry.place) == "library":
        return
    if row.confirm is not None and not row.confirm((context.text(entry) or "").split("\n"), number):
        return
    told.add((entry.place, row.title))
    yield Finding(
        rule=meta.slug,
        severity=row.severity,
        confidence=meta.confidence,
        title=f"{entry.place.rpartition('/')[2]} {row.title}",
        place=entry.place,
        line=number,
        excerpt=secrets.hidden(line.strip())[:200],
        consequence=row.consequence,
        fix=row.fix,
    )


_KEPT_IN = (
    *(".conf", ".cnf", ".cfg", ".ini", ".properties", ".yml", ".yaml", ".toml", ".env", ".cf", ".rc", ".options", ".config"),
    *(".vmoptions", ".reg", ".service"),
)
_SETTINGS_PLACE = late(
    r"(^|[!/])(etc|config|conf|conf\.d|sysconfig|default|tmpfiles\.d|logrotate\.d)/([^!]*/)?[\w-]+$|(^|[!/])\.env[^/]*$"
)


class Settings(NamedTuple):
    """A small settings file of the package that acts."""

    entry: Entry
    lower: str
    """Its text in lower case: whether a word occurs at all is told by that, and most files say nothing."""
    lines: list[str]


def settings_lines(context: Context, words: tuple[str, ...]) -> Iterator[tuple[Entry, int, str]]:
    """(entry, number, line) of what acts in the small settings files of the package, where one of the words (lower case)
    occurs in the line."""
    for one in memo(context, "settings that act", lambda: list(_settings(context))):
        said = [word for word in words if word in one.lower]
        for number, line in enumerate(one.lines, 1) if said else ():
            lower = line.lower()
            if any(word in lower for word in said) and not is_comment(line):
                yield one.entry, number, line[:MAX_SETTING]


def _settings(context: Context) -> Iterator[Settings]:
    plain = context.holding("etc/", "conf", "sites-", "default/", ".env", "tmpfiles", "logrotate")
    named = {
        e.place: e
        for e in (
            *context.ending(*_KEPT_IN),
            *context.naming("sshd_config"),
            *(e for e in plain if _SETTINGS_PLACE.search(e.place)),
        )
    }
    for place, entry in sorted(named.items()):
        if entry.kind != "file" or entry.size > MAX_SETTINGS or is_prose(place) or is_vendored(place):
            continue
        if standing(place) != "acting" or role(context, place) == "library":
            continue
        text = context.text(entry)
        if text is None or "\0" in text[:4096] or text.startswith("#!"):
            continue
        yield Settings(entry, text.lower(), text.split("\n"))
