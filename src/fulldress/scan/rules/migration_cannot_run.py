"""A migration holds a statement that fails, or a transaction that does not end as it should.

## What it does
Reports what PostgreSQL refuses where it stands: VACUUM and the like inside a transaction, a column added NOT NULL without a
value for the rows that exist, an enum value used in the transaction that adds it; and BEGIN and COMMIT that do not pair.

## Why it matters
The migration stops half-way in the window, or everything it did is undone when its session ends.

## Example
```
ALTER TABLE result ADD COLUMN grade int NOT NULL;
```

## Fix
A default for the rows that exist, a transaction of its own for what needs one. Rehearse it: it fails there as well.

## References
- PostgreSQL: ALTER TABLE; ALTER TYPE, Notes; BEGIN
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="migration-cannot-run",
    family="migration",
    title="Migration that PostgreSQL refuses half-way",
    severity="high",
    confidence="certain",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each migration of which this is the worst hazard; its other hazards are named beside it."""
    yield from migrations.findings(context, META)


BAD = (
    {"migrations/01.sql": "SET lock_timeout = '2s';\nALTER TABLE t ADD COLUMN grade int NOT NULL;\n"},
    {"migrations/02.sql": "BEGIN;\nVACUUM t;\nCOMMIT;\n"},
    {"migrations/03.sql": "BEGIN;\nCREATE TABLE a (x int);\n"},
    {"migrations/04.sql": "CREATE TABLE a (x int);\nCOMMIT;\n"},
    {"migrations/05.sql": "BEGIN;\nALTER TYPE mood ADD VALUE 'c';\nINSERT INTO m VALUES ('c');\nCOMMIT;\n"},
    {"migrations/V2__x.sql": "CREATE TABLE a (x int);\nCOMMIT;\nCREATE TABLE b (x int);\n"},
)
GOOD = (
    {"migrations/01.sql": "SET lock_timeout = '2s';\nALTER TABLE t ADD COLUMN grade int NOT NULL DEFAULT 0;\n"},
    {"migrations/02.sql": "CREATE TABLE t (a int);\nALTER TABLE t ADD COLUMN grade int NOT NULL;\n"},
    {"migrations/03.sql": "VACUUM t;\n"},
    {"migrations/04.sql": "BEGIN;\nALTER TYPE mood ADD VALUE 'c';\nCOMMIT;\nINSERT INTO m VALUES ('c');\n"},
    {
        "migrations/05.sql": "BEGIN;\nCREATE TYPE mood AS ENUM ('a');\n"
        "ALTER TYPE mood ADD VALUE 'c';\nSELECT 'c'::mood;\nCOMMIT;\n"
    },
)
