"""A migration waits for a strong lock without a lock_timeout.

## What it does
Reports statements that need a lock of Share or stronger on an existing table while no lock_timeout of ten seconds or
less is in force.

## Why it matters
A waiting ALTER stands in the table's queue: everything that comes later, even a SELECT, queues behind it. One forgotten
report is enough to stop the product.

## Example
```
ALTER TABLE result ADD COLUMN flag text;
```

## Fix
`SET lock_timeout`, and try again a bounded number of times. `fulldress adapt` writes that.

## References
- PostgreSQL: lock_timeout
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Cure, Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="migration-without-lock-timeout",
    family="migration",
    title="Migration waits for its locks without limit",
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
    {"migrations/01.sql": "ALTER TABLE t ADD COLUMN a int;\n"},
    {"migrations/02.sql": "BEGIN;\nSET LOCAL lock_timeout = '1min';\nDROP TABLE t;\nCOMMIT;\n"},
    {"migrations/03.sql": "SET LOCAL lock_timeout = '2s';\nALTER TABLE t DROP COLUMN a;\n"},
)
GOOD = (
    {"migrations/01.sql": "SET lock_timeout = '2s';\nALTER TABLE t ADD COLUMN a int;\n"},
    {"migrations/02.sql": "BEGIN;\nSET LOCAL lock_timeout = '2s';\nALTER TABLE t ADD COLUMN a int;\nCOMMIT;\n"},
    {"migrations/03.sql": "CREATE TABLE t (a int);\nALTER TABLE t ADD COLUMN b int;\n"},
)
