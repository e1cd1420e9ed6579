"""A migration's transaction keeps a lock while it works on something else.

## What it does
Reports transactions that take a lock of Share or stronger on an existing table and then, before the COMMIT, scan,
backfill, sleep or wait for a lock on another table.

## Why it matters
A lock lasts to the end of its transaction, however short its statement was. Two such locks also deadlock with a program
that takes them in the other order.

## Example
```
BEGIN; ALTER TABLE a ADD COLUMN x int; ALTER TABLE b ADD COLUMN y int; COMMIT;
```

## Fix
One transaction for each table and step. `fulldress adapt` lets every statement commit by itself and makes each
repeatable.

## References
- PostgreSQL: Explicit Locking
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Cure, Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="long-lock-transaction",
    family="migration",
    title="Locks kept while other work goes on",
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
    {
        "migrations/01.sql": "SET lock_timeout = '2s';\n"
        "BEGIN;\n"
        "ALTER TABLE a ADD COLUMN x int;\n"
        "ALTER TABLE b ADD COLUMN y int;\n"
        "COMMIT;\n"
    },
    {
        "migrations/02.sql": "SET lock_timeout = '2s';\n"
        "BEGIN;\n"
        "ALTER TABLE a ADD COLUMN x int;\n"
        "SELECT pg_sleep(5);\n"
        "COMMIT;\n"
    },
)
GOOD = (
    {"migrations/01.sql": "SET lock_timeout = '2s';\nALTER TABLE a ADD COLUMN x int;\nALTER TABLE b ADD COLUMN y int;\n"},
    {
        "migrations/02.sql": "SET lock_timeout = '2s';\n"
        "BEGIN;\n"
        "ALTER TABLE a ADD COLUMN x int;\n"
        "ALTER TABLE a ADD COLUMN y int;\n"
        "COMMIT;\n"
    },
)
