"""A migration uses CONCURRENTLY inside a transaction or under a lock_timeout.

## What it does
Reports CREATE, DROP and REINDEX ... CONCURRENTLY inside a transaction block, and while a lock_timeout is in force.

## Why it matters
Inside a transaction it is an error. Under a lock_timeout the build is cancelled when an old transaction takes longer,
and an invalid index stays behind, which `IF NOT EXISTS` then takes for done.

## Example
```
BEGIN; CREATE INDEX CONCURRENTLY i ON result (flag); COMMIT;
```

## Fix
Run it by itself with `SET lock_timeout = 0`, drop an invalid left-over before, check validity after. `fulldress adapt`
writes that.

## References
- PostgreSQL: CREATE INDEX, Building Indexes Concurrently
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Cure, Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="concurrently-in-transaction",
    family="migration",
    title="CONCURRENTLY where it fails",
    severity="high",
    confidence="certain",
)
LOOKS_FOR = migrations.LOOKS_FOR


def check(context: Context) -> Iterator[Finding]:
    """One finding for each migration of which this is the worst hazard; its other hazards are named beside it."""
    yield from migrations.findings(context, META)


def cure(context: Context, finding: Finding) -> Cure | None:
    """The migration rewritten to run online."""
    return migrations.cure(context, finding)


BAD = (
    {"migrations/01.sql": "BEGIN;\nCREATE INDEX CONCURRENTLY i ON t (a);\nCOMMIT;\n"},
    {"migrations/02.sql": "SET lock_timeout = '2s';\nCREATE INDEX CONCURRENTLY i ON t (a);\n"},
)
GOOD = (
    {"migrations/01.sql": "CREATE INDEX CONCURRENTLY i ON t (a);\n"},
    {
        "migrations/02.sql": "SET lock_timeout = '2s';\n"
        "ALTER TABLE t ADD COLUMN a int;\n"
        "SET lock_timeout = 0;\n"
        "CREATE INDEX CONCURRENTLY i ON t (a);\n"
    },
)
