"""A migration runs something that cannot be read from it: SQL put together at run time, a program, another server.

## What it does
Reports EXECUTE of text that only the running migration knows, what psql sends with \\gexec unseen, COPY ... PROGRAM, psql's
\\!, dblink. Bodies of DO blocks, of functions that the package creates and literal or formatted EXECUTE are read as SQL.

## Why it matters
What was not read was not judged: its locks are unknown until it runs in the window.

## Example
```
DO $$ DECLARE r record; BEGIN FOR r IN SELECT ddl FROM jobs LOOP EXECUTE r.ddl; END LOOP; END $$;
```

## Fix
Read it by hand, and rehearse it: the rehearsal shows its locks whatever it runs.

## References
- PostgreSQL: PL/pgSQL, Executing Dynamic Commands
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.finding import Finding
from fulldress.scan.database import migrations
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="migration-hides-statements",
    family="migration",
    title="Migration that hides what it does",
    severity="medium",
    confidence="likely",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each migration of which this is the worst hazard; its other hazards are named beside it."""
    yield from migrations.findings(context, META)


BAD = (
    {"migrations/01.sql": "DO $$ DECLARE q text; BEGIN SELECT ddl INTO q FROM jobs; EXECUTE q; END $$;\n"},
    {"migrations/02.sql": "COPY t FROM PROGRAM 'cat /etc/passwd';\n"},
    {"migrations/03.sql": "\\! rm -rf /var/lib/app/cache\nSELECT 1;\n"},
    {"migrations/04.sql": "SELECT dblink_exec('dbname=other', 'DROP TABLE x');\n"},
    {"migrations/05.sql": "SELECT ddl FROM jobs \\gexec\n"},
)
GOOD = (
    {"migrations/01.sql": "DO $$ BEGIN EXECUTE 'CREATE TABLE x (a int)'; END $$;\n"},
    {"migrations/02.sql": "COPY t FROM '/srv/t.csv';\n"},
    {"migrations/03.sql": "DO $$ BEGIN EXECUTE format('CREATE TABLE %I (a int)', 'x' || 1); END $$;\n"},
    {"migrations/04.sql": "SELECT pg_catalog.set_config('search_path', '', false);\n"},
)
