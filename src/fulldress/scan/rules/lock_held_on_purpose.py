"""A migration locks a table by name, or fills a materialized view while nobody may read it.

## What it does
Reports LOCK TABLE with Share or more on existing tables, and REFRESH MATERIALIZED VIEW without CONCURRENTLY.

## Why it matters
LOCK TABLE lasts to the COMMIT, whatever happens before it; REFRESH holds AccessExclusive while its whole query runs.

## Example
```
BEGIN; LOCK TABLE result; UPDATE ...; COMMIT;
```

## Fix
Smaller transactions; REFRESH ... CONCURRENTLY (it needs a unique index); a lock_timeout before it.

## References
- PostgreSQL: LOCK; REFRESH MATERIALIZED VIEW
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Finding
from fulldress.scan import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="lock-held-on-purpose",
    family="migration",
    title="Migration takes a lock and keeps it",
    severity="high",
    confidence="likely",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each migration of which this is the worst hazard; its other hazards are named beside it."""
    yield from migrations.findings(context, META)


BAD = (
    {"migrations/01.sql": "SET lock_timeout = '2s';\nBEGIN;\nLOCK TABLE t;\nCOMMIT;\n"},
    {"migrations/02.sql": "SET lock_timeout = '2s';\nREFRESH MATERIALIZED VIEW totals;\n"},
)
GOOD = (
    {"migrations/01.sql": "BEGIN;\nLOCK TABLE t IN ROW EXCLUSIVE MODE;\nCOMMIT;\n"},
    {"migrations/02.sql": "CREATE TABLE t (a int);\nBEGIN;\nLOCK TABLE t;\nCOMMIT;\n"},
    {"migrations/03.sql": "CREATE MATERIALIZED VIEW v AS SELECT 1;\n"},
)
