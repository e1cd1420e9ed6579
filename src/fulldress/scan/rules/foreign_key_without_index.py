"""A foreign key has no index that begins with its columns.

## What it does
Reports foreign keys of tables that the package's migrations create, when no index, unique or primary key of the table
begins with the columns of the key. One finding for each series of migrations.

## Why it matters
Each DELETE of a parent's row, and each change of its key, reads the whole child table to see whether something refers to
it, and holds a lock on the parent's row meanwhile.

## Example
```
CREATE TABLE note (id bigint PRIMARY KEY, result_id bigint REFERENCES result (id));
```

## Fix
`CREATE INDEX CONCURRENTLY` on the columns of the key.

## References
- PostgreSQL: Constraints, Foreign Keys
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import sql
from fulldress.model.finding import Finding
from fulldress.scan.database.migration_files import Source, sources
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="foreign-key-without-index",
    family="migration",
    title="Foreign key without an index",
    severity="info",
    confidence="likely",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each folder of SQL migrations (models in a program make indexes that are not seen here)."""
    folders: dict[str, list[Source]] = {}
    for source in sources(context):
        if source.certain and source.entry.place.endswith(".sql"):
            folders.setdefault(source.entry.place.rpartition("/")[0], []).append(source)
    for listed in folders.values():
        known = sql.Catalogue()
        first: dict[str, Source] = {}
        for source in listed:
            for statement in sql.statements(source.text):
                known.take(statement)
            for table in known.tables:
                first.setdefault(table, source)
        bare = known.uncovered()
        if bare:
            yield _finding(bare, first[bare[0][0]])


def _finding(bare: list[tuple[str, tuple[str, ...]]], source: Source) -> Finding:
    named = ", ".join(f"{table} ({', '.join(keys)})" for table, keys in bare[:4]) + " ..." * (len(bare) > 4)
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{len(bare)} foreign key{'s' * (len(bare) > 1)} without an index: {named}",
        place=source.entry.place,
        consequence="Each DELETE of a row that they refer to reads the whole referring table.",
        fix="CREATE INDEX CONCURRENTLY on the columns of the key.",
    )


_PARENT = "CREATE TABLE p (id bigint PRIMARY KEY);\n"
BAD = (
    {"migrations/1.sql": _PARENT + "CREATE TABLE c (id bigint PRIMARY KEY, p_id bigint REFERENCES p (id));\n"},
    {
        "migrations/1.sql": _PARENT + "CREATE TABLE c (id bigint PRIMARY KEY, p_id bigint REFERENCES p (id));\n",
        "migrations/2.sql": "CREATE INDEX CONCURRENTLY i ON c (p_id) WHERE p_id = 1;\n",
    },
)
GOOD = (
    {
        "migrations/1.sql": _PARENT + "CREATE TABLE c (id bigint PRIMARY KEY, p_id bigint REFERENCES p (id));\n",
        "migrations/2.sql": "CREATE INDEX CONCURRENTLY i ON c (p_id, id);\n",
    },
    {"migrations/1.sql": _PARENT + "CREATE TABLE c (p_id bigint PRIMARY KEY REFERENCES p (id));\n"},
    {"migrations/1.sql": "ALTER TABLE old ADD FOREIGN KEY (p_id) REFERENCES p (id) NOT VALID;\n"},
)
