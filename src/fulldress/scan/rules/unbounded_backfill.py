"""A migration changes all rows of a table in one statement.

## What it does
Reports UPDATE and DELETE on existing tables without a bound: no key, no range of pages, no LIMIT. Tables that the
inventory counted as small are left alone.

## Why it matters
Every row stays locked until the statement commits: people who save wait. It also doubles the table on disk, floods
the write-ahead log and, in one transaction with DDL, keeps that lock too.

## Example
```
UPDATE result SET flag = 'normal';
```

## Fix
Batches of pages, each committed, with a pause after each. `fulldress adapt` writes that where running a batch twice
is harmless.

## References
- PostgreSQL: UPDATE, Notes; Routine Vacuuming
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Cure, Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="unbounded-backfill",
    family="migration",
    title="Backfill of all rows in one statement",
    severity="high",
    confidence="likely",
)
LOOKS_FOR = migrations.LOOKS_FOR


def check(context: Context) -> Iterator[Finding]:
    """One finding for each migration of which this is the worst hazard; its other hazards are named beside it."""
    yield from migrations.findings(context, META)


def cure(context: Context, finding: Finding) -> Cure | None:
    """The migration rewritten to run online."""
    return migrations.cure(context, finding)


BAD = (
    {"migrations/01.sql": "UPDATE t SET a = 1;\n"},
    {"migrations/02.sql": "DELETE FROM t WHERE old;\n"},
    {"migrations/03.sql": "UPDATE t SET a = 1 WHERE b IS NULL;\n"},
)
GOOD = (
    {"migrations/01.sql": "UPDATE t SET a = 1 WHERE id = 7;\n"},
    {"migrations/02.sql": "CREATE TABLE t (a int);\nUPDATE t SET a = 1;\n"},
    {"migrations/03.sql": "DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE old LIMIT 1000);\n"},
)
