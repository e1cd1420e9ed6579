"""A migration rewrites a whole table while nobody can read or write it.

## What it does
Reports statements that write every row of an existing table anew: a column with a volatile default, serial or identity,
a stored generated column, most changes of a type, CLUSTER, VACUUM FULL, SET UNLOGGED. Tables that the script itself
creates, and tables that the inventory counted as small, are left alone.

## Why it matters
The rewrite holds AccessExclusive: every query on the table waits until the last row and the last index is written.

## Example
```
ALTER TABLE result ADD COLUMN public_id uuid DEFAULT gen_random_uuid() NOT NULL;
```

## Fix
Add the column empty, set its default for new rows, fill old rows in batches, prove NOT NULL by a CHECK that is
validated online. `fulldress adapt` writes exactly that.

## References
- PostgreSQL: ALTER TABLE, Notes (which forms rewrite)
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Cure, Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="table-rewrite",
    family="migration",
    title="Table rewritten under an exclusive lock",
    severity="critical",
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
    {"migrations/01.sql": "ALTER TABLE result ADD COLUMN public_id uuid DEFAULT gen_random_uuid() NOT NULL;\n"},
    {"migrations/02.sql": "BEGIN;\nALTER TABLE t ADD COLUMN n bigserial;\nCOMMIT;\n"},
    {"migrations/03.sql": "SET lock_timeout = '1s';\nALTER TABLE t ALTER COLUMN a TYPE bigint;\n"},
    {"migrations/04.sql": "SET lock_timeout = '1s';\nVACUUM FULL t;\n"},
)
GOOD = (
    {"migrations/01.sql": "SET lock_timeout = '1s';\nALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 5;\n"},
    {"migrations/02.sql": "CREATE TABLE t (id int);\nALTER TABLE t ADD COLUMN u uuid DEFAULT gen_random_uuid();\n"},
    {"migrations/03.sql": "SET lock_timeout = '1s';\nALTER TABLE t ADD COLUMN at timestamptz DEFAULT now();\n"},
)
