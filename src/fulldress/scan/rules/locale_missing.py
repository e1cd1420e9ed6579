"""The package sets a locale that the host does not have, or makes a database in another encoding.

## What it does
Reads the locales that scripts, units and SQL ask for (`LC_ALL=`, `LANG=`, `initdb --locale`, `createdb -l`,
`CREATE DATABASE ... LC_COLLATE`, `CREATE COLLATION`) and holds them against what `locale -a` says on the hosts; spellings
of one encoding (`UTF-8`, `utf8`) are one.

## Why it matters
`initdb` and `CREATE DATABASE` fail. A program falls back to the C locale without a word: umlauts come out as question marks,
numbers with the wrong comma, and names are sorted another way than the index was built.

## Example
```
export LC_ALL=de_DE.ISO-8859-1
createdb -l de_DE.UTF-8 lims
```

## Fix
Generate the locale before the window (`locale-gen`), or use one that is there: `C.UTF-8` is everywhere.

## References
- locale(7), locale-gen(8); PostgreSQL: Locale Support
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.estate import Estate, HostFacts
from fulldress.model.finding import Finding
from fulldress.scan.credentials import secrets
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, is_code, script_at
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="locale-missing",
    family="privilege",
    title="Locale is not on the host",
    severity="medium",
    confidence="likely",
    needs=("estate",),
)
_NAME = r"([a-z]{2,3}_[A-Z]{2}(?:\.[\w-]+)?(?:@\w+)?)"
_SET = late(rf"\b(?:LC_ALL|LC_CTYPE|LC_NUMERIC|LC_COLLATE|LC_MESSAGES|LANG)\s*=\s*[\"']?{_NAME}")
_DATABASE = late(
    rf"(?i:\b(?:LC_COLLATE|LC_CTYPE|LOCALE|ICU_LOCALE)\s*=?\s*')({_NAME})'"
    rf"|(?:--locale|--lc-collate|--lc-ctype|\s-l)[ =][\"']?({_NAME})"
)
_MAKES = late(r"(?i)\b(initdb|createdb|pg_createcluster|create\s+(database|collation)|lc_collate)\b")
LOOKS_FOR = (
    Pattern(r"\b(LC_ALL|LC_CTYPE|LC_NUMERIC|LC_COLLATE|LC_MESSAGES|LANG)\s{0,2}=\s{0,2}[\"']?[a-z]{2,3}_[A-Z]{2}"),
    Pattern(r"(?i)\b(initdb|createdb|pg_createcluster|create\s{1,4}(database|collation))\b[^\n]{0,200}[a-z]{2}_[A-Z]{2}\b"),
    Pattern(r"(?i)\blc_(collate|ctype)\s{0,4}=?\s{0,4}'[a-z]{2}_[A-Z]{2}"),
)
_READ = (".service", ".sql", ".conf", ".env", ".properties", ".ini", "/environment")
_GENERATED = late(r"\blocale-gen\b|\blocaledef\b|/etc/locale\.gen|\blocales-all\b")


class _Use(NamedTuple):
    place: str
    line: int
    text: str
    fails: bool


def check(context: Context) -> Iterator[Finding]:
    """One finding for each locale."""
    assert context.estate is not None
    known = [host for host in context.estate.hosts if host.locales]
    if not known:
        return
    there = {_plain(name) for host in known for name in host.locales}
    found: dict[str, list[_Use]] = {}
    for entry, number, line in acting_lines(context, *LOOKS_FOR, among=lambda e: _acts(context, e.place)):
        database = _DATABASE.search(line) if _MAKES.search(line) else None
        match = database or _SET.search(line)
        name = next((g for g in match.groups() if g), "") if match is not None else ""
        if name and _plain(name) not in there and not _GENERATED.search(context.text(entry) or ""):
            found.setdefault(name, []).append(_Use(entry.place, number, line, database is not None))
    for name, uses in found.items():
        yield _finding(name, uses)


def _acts(context: Context, place: str) -> bool:
    """The upgrade's scripts, and what a service or a database reads: not the programs that are installed."""
    if standing(place) != "acting" or is_code(place):
        return False
    return place.endswith(_READ) or (script_at(context, place) is not None and role(context, place) == "upgrade")


def _plain(name: str) -> str:
    """A locale as its parts compare: ``de_DE.UTF-8`` and ``de_DE.utf8`` are one."""
    territory, _, encoding = name.partition(".")
    return f"{territory.lower()}.{re.sub(r'[^a-z0-9@]', '', encoding.lower())}"


def _finding(name: str, uses: list[_Use]) -> Finding:
    first = next((use for use in uses if use.fails), uses[0])
    places = ", ".join(f"{short(use.place)}:{use.line}" for use in uses[:5])
    return Finding(
        rule=META.slug,
        severity="high" if first.fails else META.severity,
        confidence=META.confidence,
        title=f"the locale {name} is not on this estate",
        place=first.place,
        line=first.line,
        excerpt=secrets.hidden(first.text.strip())[:200],
        consequence=("The database is not made." if first.fails else "Programs fall back to the C locale without a word.")
        + f" ({places})",
        fix="Generate it on the host before the window, or use one that is there (C.UTF-8).",
    )


HERE = Estate(
    taken="2026-10-01T00:00:00Z",
    hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", locales=("C", "C.utf8", "en_US.utf8", "POSIX")),),
)
BAD = (
    Sample(files={"up.sh": "#!/bin/sh\nexport LC_ALL=de_DE.ISO-8859-1\n"}, estate=HERE),
    Sample(files={"up.sh": "#!/bin/sh\ncreatedb -l de_DE.UTF-8 lims\n"}, estate=HERE),
    Sample(files={"db/init.sql": "CREATE DATABASE lims ENCODING 'UTF8' LC_COLLATE 'de_DE.UTF-8';\n"}, estate=HERE),
    Sample(files={"lib/systemd/system/a.service": "[Service]\nEnvironment=LANG=de_DE.UTF-8\nExecStart=/a\n"}, estate=HERE),
)
GOOD = (
    Sample(files={"up.sh": "#!/bin/sh\nexport LC_ALL=C.UTF-8 LANG=en_US.UTF-8\n"}, estate=HERE),
    Sample(files={"up.sh": "#!/bin/sh\nlocale-gen de_DE.UTF-8\nexport LC_ALL=de_DE.UTF-8\n"}, estate=HERE),
    Sample(
        files={
            "app/x.py": "LANG = 'de_DE'\n",
            "README.md": "LC_ALL=de_DE.UTF-8\n",
            "x.deb!/usr/share/x/t/1.t": "createdb -l de_DE.UTF-8\n",
        },
        estate=HERE,
    ),
    Sample(
        files={"up.sh": "#!/bin/sh\nexport LC_ALL=de_DE.UTF-8\n"},
        estate=Estate(taken="", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12"),)),
    ),
)
