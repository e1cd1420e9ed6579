"""A migration builds an index and blocks every writer meanwhile.

## What it does
Reports CREATE INDEX without CONCURRENTLY, REINDEX, and UNIQUE, PRIMARY KEY or EXCLUDE constraints that build their
index themselves, on existing tables.

## Why it matters
CREATE INDEX holds a Share lock (no INSERT, UPDATE, DELETE); a constraint's index is even built under AccessExclusive.

## Example
```
CREATE INDEX result_flag_idx ON result (flag);
```

## Fix
CREATE INDEX CONCURRENTLY outside a transaction, then `ADD CONSTRAINT ... USING INDEX`. `fulldress adapt` writes that,
with the clean-up of an invalid index that an interrupted build leaves.

## References
- PostgreSQL: CREATE INDEX, Building Indexes Concurrently
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Cure, Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="index-blocks-writes",
    family="migration",
    title="Index built while writers wait",
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
    {"migrations/01.sql": "CREATE INDEX i ON t (a);\n"},
    {"migrations/02.sql": "SET lock_timeout = '2s';\nALTER TABLE t ADD CONSTRAINT u UNIQUE (a);\n"},
    {"migrations/03.sql": "REINDEX TABLE t;\n"},
)
GOOD = (
    {"migrations/01.sql": "CREATE INDEX CONCURRENTLY i ON t (a);\n"},
    {"migrations/02.sql": "CREATE TABLE t (a int);\nCREATE INDEX i ON t (a);\n"},
    {"migrations/03.sql": "SET lock_timeout = '2s';\nALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX u;\n"},
)
