"""A migration drops, renames or empties something that the version which still runs asks for.

## What it does
Reports DROP and RENAME of tables, columns, views, types and functions that the migration did not make itself, TRUNCATE, and
renamed enum values.

## Why it matters
While old instances still run (or run again after a rollback), their queries fail; dropped columns and emptied tables are
lost for good.

## Example
```
ALTER TABLE result RENAME COLUMN note TO remark;
```

## Fix
Expand first, contract in a later release: add the new name, write both, drop the old one when no old instance is left.

## References
- none
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="breaks-running-version",
    family="migration",
    title="Migration takes away what the running version uses",
    severity="medium",
    confidence="likely",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each migration of which this is the worst hazard; its other hazards are named beside it."""
    yield from migrations.findings(context, META)


BAD = (
    {"migrations/01.sql": "SET lock_timeout = '2s';\nALTER TABLE t DROP COLUMN a;\n"},
    {"migrations/02.sql": "SET lock_timeout = '2s';\nALTER TABLE t RENAME COLUMN a TO b;\n"},
    {"migrations/03.sql": "SET lock_timeout = '2s';\nDROP TABLE t;\n"},
    {"migrations/04.sql": "SET lock_timeout = '2s';\nTRUNCATE t;\n"},
    {"migrations/05.sql": "ALTER TYPE mood RENAME VALUE 'a' TO 'b';\n"},
)
GOOD = (
    {"migrations/01.sql": "CREATE TABLE t (a int, b int);\nALTER TABLE t DROP COLUMN a;\nDROP TABLE t;\n"},
    {
        "migrations/02.sql": "SET lock_timeout = '2s';\nALTER TABLE t ADD COLUMN a int;\n"
        "ALTER TABLE t RENAME COLUMN a TO b;\n"
    },
    {"migrations/03.sql": "SET lock_timeout = '2s';\nALTER TABLE t DROP CONSTRAINT c;\n"},
)
