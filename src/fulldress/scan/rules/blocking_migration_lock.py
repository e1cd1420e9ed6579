"""A migration waits for its lock inside a statement while CREATE INDEX CONCURRENTLY runs.

## What it does
Reports `pg_advisory_lock` (the form that waits) in a migration, or in the script or program that runs it, when one of the
same run works CONCURRENTLY.

## Why it matters
Whoever waits in `pg_advisory_lock` holds a snapshot. CREATE INDEX CONCURRENTLY waits for all old snapshots, also for that
one: the two runs wait for each other, and PostgreSQL ends one of them with "deadlock detected" (40P01).

## Example
```
SELECT pg_advisory_lock(42);
CREATE INDEX CONCURRENTLY i ON result (flag);
```

## Fix
Poll `pg_try_advisory_lock` with a pause, each time in a statement of its own. `fulldress adapt` writes that.

## References
- PostgreSQL: Advisory Locks; CREATE INDEX, Building Indexes Concurrently
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from fulldress.formats import sql
from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.formats.sql.online import polled_lock
from fulldress.model.finding import Cure, Finding
from fulldress.model.package import Entry
from fulldress.scan.database.migration_files import Source, sources
from fulldress.scan.database.migration_runs import runs
from fulldress.scan.places import standing
from fulldress.scan.reading import acting_lines, current_text, encode, is_code
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="blocking-migration-lock",
    family="migration",
    title="Migration lock that deadlocks with CONCURRENTLY",
    severity="high",
    confidence="certain",
)

BLOCKING = Pattern(r"(?i)\bpg_advisory_lock(_shared)?\s{0,4}\(")
LOOKS_FOR = (BLOCKING,)
_WAITS = late(r"(?i)\bpg_advisory_lock(?:_shared)?\s*\(")
_CONCURRENT = late(r"(?i)\b(?:index|reindex[^;]*|refresh\s+materialized\s+view)\s+concurrently\b")
_STATEMENT = late(r"(?im)^[ \t]*SELECT\s+pg_advisory_lock\s*\(([^;()]*)\)\s*;")


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file that waits."""
    told: set[str] = set()
    for source in sources(context):
        together = [s for run in runs(context) if source in run.sources for s in run.sources] or [source]
        if source.entry.place not in told and _blocks(source.text) and any(_concurrent(s) for s in together):
            told.add(source.entry.place)
            curable = bool(_STATEMENT.search(source.text)) and source.plain
            yield _finding(source.entry, source.text, curable=curable)
    for run in runs(context):
        place = run.script.entry.place
        if place not in told and _WAITS.search(run.script.text) and any(_concurrent(s) for s in run.sources):
            told.add(place)
            yield _finding(run.script.entry, run.script.text, curable=False)
    yield from _in_programs(context, told)


def _in_programs(context: Context, told: set[str]) -> Iterator[Finding]:
    """A migration runner in another language than shell, that waits for the lock itself."""
    if not context.matching(BLOCKING, among=lambda e: is_code(e.place)) or not any(_concurrent(s) for s in sources(context)):
        return
    for entry, number, line in acting_lines(
        context, BLOCKING, among=lambda e: is_code(e.place) and standing(e.place) == "acting"
    ):
        text = context.text(entry) if entry.place not in told else None
        if text is not None and re.search(r"(?i)migrat|\.sql\b", entry.place + text):
            told.add(entry.place)
            finding = _finding(entry, text, curable=False)
            yield msgspec.structs.replace(finding, confidence="likely", line=number, excerpt=line.strip()[:200])


def _concurrent(source: Source) -> bool:
    return bool(_CONCURRENT.search(source.text)) and any(
        _CONCURRENT.search(s.text) for s in sql.statements(source.text) if s.kind != "hidden"
    )


def _blocks(text: str) -> bool:
    return bool(_WAITS.search(text)) and any(_WAITS.search(s.text) for s in sql.statements(text))


def _finding(entry: Entry, text: str, *, curable: bool) -> Finding:
    found = _WAITS.search(text)
    line = text.count("\n", 0, found.start()) + 1 if found else 1
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=META.title,
        place=entry.place,
        line=line,
        excerpt=text.split("\n")[line - 1].strip()[:200],
        consequence="A second run that waits here holds a snapshot for which the index build of the first one waits:"
        " PostgreSQL ends one of them with a deadlock (40P01).",
        fix="Poll pg_try_advisory_lock, each time in a statement of its own, with a deadline.",
        curable=curable,
    )


def cure(context: Context, finding: Finding) -> Cure | None:
    """The waiting statement replaced by one that polls for the same key."""
    text = current_text(context, finding.place)
    if text is None or not finding.place.endswith(".sql") or not _STATEMENT.search(text):
        return None
    made = _STATEMENT.sub(lambda found: polled_lock(found.group(1).strip()), text)
    return Cure(
        edits={finding.place: encode(made)}, note="the advisory lock is polled for up to five minutes", safety="review"
    )


BAD = (
    {"migrations/1.sql": "SELECT pg_advisory_lock(42);\nCREATE INDEX CONCURRENTLY i ON t (a);\n"},
    {
        "run.sh": "#!/bin/sh\nfor f in migrations/*.sql; do psql -d app -f $f; done\n",
        "migrations/1.sql": "SELECT pg_advisory_lock(1, 2);\nCREATE TABLE x (a int);\n",
        "migrations/2.sql": "SELECT pg_advisory_lock(1, 2);\nCREATE INDEX CONCURRENTLY i ON t (a);\n",
    },
    {
        "app/migrate.js": "await db.query('select pg_advisory_lock($1)')\nfor (f of glob('migrations/*.sql')) run(f)\n",
        "migrations/1.sql": "CREATE INDEX CONCURRENTLY i ON t (a);\n",
    },
)
GOOD = (
    {
        "app/migrate.py": "for f in migrations:\n    db.execute('SELECT pg_try_advisory_lock(42)')\n",
        "migrations/1.sql": "CREATE INDEX CONCURRENTLY i ON t (a);\n",
    },
    {
        "app/queue.py": "db.execute('SELECT pg_advisory_lock(42)')\n",
        "migrations/1.sql": "CREATE INDEX CONCURRENTLY i ON t (a);\n",
    },
    {"migrations/1.sql": "SELECT pg_advisory_lock(42);\nCREATE TABLE x (a int);\n"},
    {"migrations/1.sql": sql.MUTEX + "CREATE INDEX CONCURRENTLY i ON t (a);\n"},
    {"migrations/1.sql": "-- not pg_advisory_lock(1)\nCREATE INDEX CONCURRENTLY i ON t (a);\n"},
)
