"""A migration locks a table by name, or fills a materialized view while nobody may read it.

## What it does
Reports LOCK TABLE with Share or more on existing tables, and REFRESH MATERIALIZED VIEW without CONCURRENTLY; in scripts
`vacuumdb --full`, `clusterdb`, and `reindexdb` without `--concurrently`.

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

from fulldress.formats import shell
from fulldress.formats.shell import Command
from fulldress.model.finding import Finding
from fulldress.scan.credentials.secrets import hidden
from fulldress.scan.database import migrations
from fulldress.scan.jobs.embedded_shell import tasks
from fulldress.scan.reading import scripts
from fulldress.scan.roles import role
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
    for script in (*scripts(context), *tasks(context)):
        if role(context, script.entry.place) in ("library", "init"):
            continue
        for command in script.commands:
            what = _maintains(command)
            if what:
                yield Finding(
                    rule=META.slug,
                    severity=META.severity,
                    confidence="likely",
                    title=f"{what}: every table is locked for as long as it takes",
                    place=script.entry.place,
                    line=command.line,
                    excerpt=hidden(command.text)[:200],
                    consequence="Readers and writers of each table wait until it has been written anew.",
                    fix="Take it out of the upgrade; plain VACUUM, or REINDEX CONCURRENTLY, stops nobody.",
                )


def _maintains(command: Command) -> str:
    """``vacuumdb --full``, ``reindexdb`` and ``clusterdb``, also inside ``su -c``; "" for everything else."""
    for text in shell.nested(command):
        for inner in shell.commands(text):
            if found := _maintains(inner):
                return found
    argv = shell.unwrapped(command)
    name = argv[0].rpartition("/")[2] if argv else ""
    if name == "vacuumdb" and {"--full", "-f"} & set(argv):
        return "vacuumdb --full"
    if name == "reindexdb" and "--concurrently" not in argv:
        return "reindexdb"
    return "clusterdb" if name == "clusterdb" else ""


BAD = (
    {"up.sh": '#!/bin/sh\nset -e\nsu - postgres -c "vacuumdb --full --all"\n'},
    {"migrations/01.sql": "SET lock_timeout = '2s';\nBEGIN;\nLOCK TABLE t;\nCOMMIT;\n"},
    {"migrations/02.sql": "SET lock_timeout = '2s';\nREFRESH MATERIALIZED VIEW totals;\n"},
)
GOOD = (
    {"up.sh": "#!/bin/sh\nset -e\nvacuumdb --analyze --all\nreindexdb --concurrently app\n"},
    {"migrations/01.sql": "BEGIN;\nLOCK TABLE t IN ROW EXCLUSIVE MODE;\nCOMMIT;\n"},
    {"migrations/02.sql": "CREATE TABLE t (a int);\nBEGIN;\nLOCK TABLE t;\nCOMMIT;\n"},
    {"migrations/03.sql": "CREATE MATERIALIZED VIEW v AS SELECT 1;\n"},
)
