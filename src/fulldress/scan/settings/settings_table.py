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
from fulldress.scan.reading import named as by_file_name
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


def named(context: Context, meta: RuleMeta, names: tuple[str, ...], rows: tuple[Row, ...]) -> Iterator[Finding]:
    """The same for settings files in whose place one of the names occurs: they are few, and read whole."""
    chosen = [e for e in settings_files(context) if any(name in e.place for name in names)]
    return read_whole(context, meta, chosen, rows)


def read_whole(
    context: Context, meta: RuleMeta, entries: Iterable[Entry], rows: tuple[Row, ...], words: tuple[str, ...] = ("",)
) -> Iterator[Finding]:
    """The same for files that are known to be worth it; lines in which none of the words (lower case) occurs are passed
    over."""
    told: set[tuple[str, str]] = set()
    for entry in entries:
        mine = tuple(row for row in rows if row.files.search(entry.place))
        for number, line in enumerate((context.text(entry) or "").split("\n"), 1) if mine else ():
            if line and any(word in line.lower() for word in words) and not is_comment(line):
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
    if row.confirm is not None:
        text = context.text(entry)
        lines, at = (text.split("\n"), number) if text is not None else ([line], 1)  # of a text too large, only the line
        if not row.confirm(lines, at):
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
    *(".vmoptions", ".service", ".tf", ".tpl", ".ldif", ".nft", ".rules", ".htaccess", ".batch", ".sftp", ".lftp"),
)
_FOLDERS = ("etc/", "conf")
_PLAIN = late(
    r"(^|[!/])(etc|config|conf|conf\.d|sysconfig|default|(pam|limits|tmpfiles|logrotate|profile|sites-\w+)(\.d)?)/([^!]*/)?[\w-]+$"
    r"|(^|[!/])profile\.d/[^/]+$"
)
_ALONE = ("sshd_config", ".htaccess", "pg_hba.add", ".env.production")


def settings_files(context: Context) -> list[Entry]:
    """The small settings files of the package that act, by their names: no library's, no example, no documentation."""
    return memo(context, "settings files", lambda: list(_settings_files(context)))


def _shipped(place: str) -> bool:
    """Data and defaults of the system's own programs, which nobody sets: but for what systemd, udev and sysctl read
    there."""
    return ("usr/share/" in place or "usr/include/" in place or "usr/lib/" in place) and ".d/" not in place


def _settings_files(context: Context) -> Iterator[Entry]:
    found = {e.place: e for e in context.ending(*_KEPT_IN)}
    for entry in context.holding(*_FOLDERS):
        name = entry.place[entry.place.rfind("/") + 1 :]
        if ("." not in name or "profile.d/" in entry.place) and _PLAIN.search(entry.place):
            found[entry.place] = entry
    for name in _ALONE:
        found |= {e.place: e for e in by_file_name(context, name)}
    for place, entry in sorted(found.items()):
        if entry.kind != "file" or entry.size > MAX_SETTINGS or _shipped(place) or is_prose(place) or is_vendored(place):
            continue
        if standing(place) == "acting" and role(context, place) != "library":
            yield entry


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
    for entry in settings_files(context):
        text = context.text(entry)
        if text is not None and "\0" not in text[:4096] and not text.startswith("#!"):
            yield Settings(entry, text.lower(), text.split("\n"))
