"""A migration adds a constraint and checks every old row under its lock.

## What it does
Reports CHECK and FOREIGN KEY constraints added without NOT VALID, columns added with such a constraint and a default,
domain checks, and partitions attached with a scan, on existing tables.

## Why it matters
A CHECK is proved under AccessExclusive; a foreign key reads both tables while neither can be written.

## Example
```
ALTER TABLE result ADD FOREIGN KEY (sample_id) REFERENCES sample;
```

## Fix
`ADD ... NOT VALID` takes its lock for milliseconds, `VALIDATE CONSTRAINT` afterwards lets others work. `fulldress adapt`
writes that.

## References
- PostgreSQL: ALTER TABLE, VALIDATE CONSTRAINT
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Cure, Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="constraint-validates-under-lock",
    family="migration",
    title="Constraint checked while others wait",
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
    {"migrations/01.sql": "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0);\n"},
    {"migrations/02.sql": "SET lock_timeout = '2s';\nALTER TABLE t ADD FOREIGN KEY (p) REFERENCES parent;\n"},
)
GOOD = (
    {
        "migrations/01.sql": "SET lock_timeout = '2s';\n"
        "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0) NOT VALID;\n"
        "ALTER TABLE t VALIDATE CONSTRAINT k;\n"
    },
    {"migrations/02.sql": "CREATE TABLE t (a int);\nALTER TABLE t ADD CHECK (a > 0);\n"},
)
