"""A migration makes something that works and is a nuisance later.

## What it does
Notes json columns, enums, and several ALTER TABLE that each read the same table through. Nothing stops for them.

## Why it matters
json has no equality, so that DISTINCT and GROUP BY fail; an enum's value can never be taken out; each ALTER that checks a
table reads it again.

## Example
```
ALTER TABLE result ADD COLUMN meta json;
```

## Fix
jsonb; a table of values; one ALTER TABLE with several commands.

## References
- PostgreSQL: JSON Types; Enumerated Types
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="schema-choice",
    family="migration",
    title="A choice that is hard to take back",
    severity="info",
    confidence="certain",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each migration of which this is the worst hazard; its other hazards are named beside it."""
    yield from migrations.findings(context, META)


BAD = (
    {"migrations/01.sql": "CREATE TABLE t (a int, meta json);\n"},
    {"migrations/02.sql": "CREATE TYPE mood AS ENUM ('a');\n"},
)
GOOD = (
    {"migrations/01.sql": "CREATE TABLE t (a int, meta jsonb);\n"},
    {"migrations/02.sql": "CREATE TABLE mood (name text PRIMARY KEY);\n"},
)
