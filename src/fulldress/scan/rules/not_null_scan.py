"""A migration sets NOT NULL and checks every row while nobody can read or write.

## What it does
Reports `SET NOT NULL` on a column of an existing table that no validated CHECK proves to be filled.

## Why it matters
PostgreSQL reads the whole table under AccessExclusive to be sure.

## Example
```
ALTER TABLE result ALTER COLUMN note SET NOT NULL;
```

## Fix
`ADD CHECK (note IS NOT NULL) NOT VALID`, `VALIDATE CONSTRAINT` (others go on meanwhile), then `SET NOT NULL`, which
believes the CHECK. `fulldress adapt` writes that.

## References
- PostgreSQL: ALTER TABLE, SET NOT NULL
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Cure, Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="not-null-scan",
    family="migration",
    title="SET NOT NULL reads the whole table under an exclusive lock",
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
    {"migrations/01.sql": "ALTER TABLE t ALTER COLUMN a SET NOT NULL;\n"},
    {
        "migrations/02.sql": "SET lock_timeout = '2s';\n"
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID;\n"
        "ALTER TABLE t ALTER a SET NOT NULL;\n"
    },
)
GOOD = (
    {
        "migrations/01.sql": "SET lock_timeout = '2s';\n"
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID;\n"
        "ALTER TABLE t VALIDATE CONSTRAINT c;\n"
        "ALTER TABLE t ALTER a SET NOT NULL;\n"
    },
    {"migrations/02.sql": "CREATE TABLE t (a int);\nALTER TABLE t ALTER a SET NOT NULL;\n"},
)
