"""A command of the upgrade runs heavy SQL that is in no file of its own.

## What it does
Reads what a script hands to psql by `-c` or a here-document (also inside `su -c`, `docker exec`, recipes of make), and
what a
program of the upgrade hands to its database driver, as SQL: rewrites under an exclusive lock, whole tables changed or
deleted
in one statement, indexes that block writers, locks taken by name, columns and tables taken away. Jobs that the package
installs count too, as `medium`.

## Why it matters
It locks what a migration would lock, but no migration tool knows of it, nobody reviews it, and nothing sets a lock_timeout.

## Example
```
su postgres -c "psql app -c 'VACUUM FULL result'"
```

## Fix
Put it into a migration, in batches or online; or take it out of the upgrade and run it when nobody works.

## References
- PostgreSQL: Explicit Locking; VACUUM
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import sql
from fulldress.formats.sql import Hazard, HazardKind
from fulldress.model.finding import Finding, Severity
from fulldress.scan.credentials.secrets import hidden
from fulldress.scan.database import migrations
from fulldress.scan.database.handed_sql import handed
from fulldress.scan.database.migration_history import new_database
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="sql-in-command",
    family="migration",
    title="Heavy SQL in a command",
    severity="high",
    confidence="likely",
)
_HEAVY: tuple[HazardKind, ...] = (
    "table-rewrite",
    "not-null-scan",
    "index-blocks-writes",
    "constraint-validates-under-lock",
    "unbounded-backfill",
    "lock-held-on-purpose",
    "breaks-running-version",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each line of such statements."""
    known, counted = None, migrations.rows(context)
    told: set[tuple[str, int]] = set()
    for piece in handed(context):
        known = known or new_database(context)
        heavy = [h for h in sql.script_hazards(sql.script(piece.text), counted, known) if h.kind in _HEAVY and not h.mild]
        for hazard in heavy:
            line = piece.line + hazard.statement.line - 1
            if (piece.entry.place, line) not in told:
                told.add((piece.entry.place, line))
                yield _finding(piece.entry.place, line, hazard, program=piece.role != "upgrade")


def _finding(place: str, line: int, hazard: Hazard, *, program: bool) -> Finding:
    severity: Severity = "medium" if program or hazard.kind in ("unbounded-backfill", "breaks-running-version") else "high"
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=f"{place.rpartition('/')[2]} runs {migrations.NAMES[hazard.kind]}"
        + (f" ({hazard.relation})" if hazard.relation else ""),
        place=place,
        line=line,
        excerpt=hidden(" ".join(hazard.statement.text.split()))[:200],
        consequence="People who work on that table wait, or lose what they use; no migration tool knows of it.",
        fix="Put it into a migration that runs online, or take it out of the upgrade.",
    )


BAD = (
    {"up.sh": "#!/bin/sh\nset -e\nsu postgres -c \"psql app -c 'VACUUM FULL result'\"\n"},
    {"up.sh": "#!/bin/sh\nset -e\npsql app <<SQL\nLOCK TABLE result;\nUPDATE result SET flag = 1;\nSQL\n"},
    {"Makefile": 'up:\n\tpsql app -c "ALTER TABLE result ALTER COLUMN n TYPE bigint"\n'},
    {"upgrade.d/move.py": 'cur.execute("UPDATE result SET body = NULL")\n'},
    {"setup/convert.pl": "$dbh->do('DELETE FROM result');\n"},
)
GOOD = (
    {"up.sh": '#!/bin/sh\nset -e\npsql app -c "SELECT 1"\npsql app -c "UPDATE result SET flag = 1 WHERE id = 7"\n'},
    {"up.sh": "#!/bin/sh\nset -e\npsql app <<SQL\nCREATE TABLE t (a int);\nCREATE INDEX ON t (a);\nSQL\n"},
    {"app/views.py": 'cur.execute("DELETE FROM basket")\n', "tests/upgrade.py": 'cur.execute("DELETE FROM basket")\n'},
    {"up.sh": '#!/bin/sh\nset -e\nmysql app -e "DELETE FROM basket"\necho psql -c "VACUUM FULL"\n'},
)
