"""A migration holds SQL that nobody here could read.

## What it does
Reports SQL scripts with statements that PostgreSQL's grammar refuses or that are nested too deeply to be followed, and
scripts that pull in other files by psql's `\\i`, when those are not in the package.

## Why it matters
What was not read was not judged: its locks, rewrites and losses are unknown, and silence must not pass for safety.

## Example
```
SELEC 1;      -- or another database's dialect
```

## Fix
Read it by hand, ask the vendor, and rehearse it: the rehearsal shows its locks whatever it is written in.

## References
- none
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from fulldress.formats import sql
from fulldress.model.finding import Finding
from fulldress.scan.database.migration_files import foreign
from fulldress.scan.database.migrations import migrations, series_of
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="migration-unreadable",
    family="migration",
    title="SQL that could not be read",
    severity="medium",
    confidence="certain",
)


MOST = 3
"""Scripts of one folder that are told one by one."""


class _Blind(NamedTuple):
    """A script with something that was not looked into, and the first such thing."""

    place: str
    line: int
    text: str
    statements: int
    historic: bool


def check(context: Context) -> Iterator[Finding]:
    """One finding for each script, at the first thing that was not looked into; one for a folder of many."""
    yield from _foreign(context)
    blind: dict[str, list[_Blind]] = {}
    for found in _blind(context):
        blind.setdefault(series_of(found.place), []).append(found)
    for folder, scripts in blind.items():
        if len(scripts) > MOST:
            yield _together(folder, scripts)
        else:
            yield from (_finding(script) for script in scripts)


def _blind(context: Context) -> Iterator[_Blind]:
    for migration in migrations(context):
        if not migration.source.certain or not migration.entry.place.endswith(".sql"):
            continue
        read = sql.script(migration.text)
        blind = [(s.line, s.text) for s in read.unparsed]
        for meta in read.metas:
            wanted = meta.text.split()[-1].strip("'\"").rpartition("/")[2]
            if meta.name in ("i", "ir", "include", "include_relative") and not _is_there(context, wanted):
                blind.append((meta.line, meta.text))
        if blind:
            line, text = min(blind)
            yield _Blind(migration.entry.place, line, text, len(blind), migration.historic)


def _is_there(context: Context, name: str) -> bool:
    return any(e.place.rpartition("/")[2] == name for e in context.naming(name.lower()))


def _foreign(context: Context) -> Iterator[Finding]:
    """One finding for all scripts of other databases: said, not judged. MySQL's are, where the estate has its tables."""
    databases = [d for h in (context.estate.hosts if context.estate is not None else ()) for d in h.databases]
    judged = any(database.engine == "mysql" and database.tables for database in databases)
    scripts = [script for script in foreign(context) if not (judged and script.dialect == "MySQL")]
    if scripts:
        kinds = ", ".join(sorted({script.dialect for script in scripts}))
        named = ", ".join(script.entry.place for script in scripts[:4]) + " ..." * (len(scripts) > 4)
        yield Finding(
            rule=META.slug,
            severity="info",
            confidence=META.confidence,
            title=f"{len(scripts)} SQL script{'s' * (len(scripts) > 1)} of another database ({kinds}):"
            " lock analysis not made",
            place=scripts[0].entry.place,
            consequence=f"What they lock there is not judged here: {named}.",
            fix="Rehearse them, or ask the vendor how long they lock which table.",
        )


def _finding(blind: _Blind) -> Finding:
    count, name = blind.statements, blind.place.rpartition("/")[2]
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{count} statement{'s' * (count > 1)} in {name} could not be read",
        place=blind.place,
        line=blind.line,
        excerpt=" ".join(blind.text[:1000].split())[:200],
        consequence="Nobody knows what it locks, rewrites or loses until it runs.",
        fix="Read it by hand and rehearse it.",
    )


def _together(folder: str, scripts: list[_Blind]) -> Finding:
    named = ", ".join(script.place.rpartition("/")[2] for script in scripts[:4])
    return msgspec.structs.replace(
        _finding(scripts[0]),
        severity="low" if all(script.historic for script in scripts) else META.severity,
        title=f"{len(scripts)} scripts in {folder.rpartition('/')[2]} could not be read whole",
        consequence=f"Nobody knows what they lock, rewrite or lose until they run: {named} ...",
    )


BAD = (
    {f"migrations/{n}.sql": "SELECT 1;\nSELEC 2;\n" for n in range(1, 6)},
    {"migrations/1.sql": "SELECT 1;\nSELEC 2;\n"},
    {"migrations/1.sql": "\\i ../elsewhere/2.sql\n"},
    {"sql/mysql/1.sql": "ALTER TABLE `t` MODIFY a bigint;\n"},
)
GOOD = (
    {"migrations/1.sql": "\\set x 1\nSELECT :x;\n"},
    {"migrations/1.sql": "\\ir 2.sql\n", "migrations/2.sql": "SELECT 1;\n"},
)
