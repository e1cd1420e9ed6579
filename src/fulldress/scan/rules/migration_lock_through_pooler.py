"""Migrations take a session's lock through a pooler that lends sessions for one transaction.

## What it does
Reports commands that run migrations over a pooler's address (port 6432, a host or URL with pgbouncer, pgcat, odyssey or
pooler in its name, `pgbouncer=true`), where the migrations or their tool hold an advisory lock of the session.

## Why it matters
In transaction mode each transaction may run on another session of the server: the lock stays behind on one of them and
guards nothing, and nobody is there to release it. SET lock_timeout is lost in the same way.

## Example
```
DATABASE_URL=postgres://app@db:6432/app npx prisma migrate deploy
```

## Fix
Give migrations the database's own address (most tools have a setting for a direct URL).

## References
- PgBouncer: Features, SQL feature map for pooling modes
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fulldress.formats.late import late
from fulldress.model.finding import Finding
from fulldress.scan.database.migration_runs import ADVISORY, RUNS_A_TOOL, runs, takes_lock, tool_runs
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="migration-lock-through-pooler",
    family="migration",
    title="Migrations run through a connection pooler",
    severity="medium",
    confidence="likely",
)
LOOKS_FOR = (RUNS_A_TOOL, ADVISORY)

_POOLER = late(
    r"(?i)(?:-p\s*|--port[ =]|PGPORT=|:|port=)6432\b"
    r"|(?:-h\s*|--host[ =]|PGHOST=|@|host=)[\w.-]*(?:pgbouncer|pgcat|odyssey|pooler)"
    r"|pgbouncer=true"
)
_SESSION = {"Rails", "golang-migrate", "Prisma", "sqlx"}
"""Tools whose own lock is an advisory lock of the session."""


def check(context: Context) -> Iterator[Finding]:
    """One finding for each file."""
    told: set[str] = set()
    for run in runs(context):
        guarded = any(takes_lock(s.text) for s in run.sources) or "advisory" in run.script.text
        found = _POOLER.search(run.command.text) or _POOLER.search(_settings(run.script.text))
        if guarded and found and run.script.entry.place not in told:
            told.add(run.script.entry.place)
            yield _finding(run.script.entry.place, run.command.line, run.command.text, found.group(0))
    for started in tool_runs(context):
        if started.tool.name not in _SESSION or started.entry.place in told:
            continue
        text = context.text(started.entry) or ""
        found = _POOLER.search(started.text) or _POOLER.search(_settings(text))
        if found:
            told.add(started.entry.place)
            yield _finding(started.entry.place, started.line, started.text, found.group(0))


def _settings(text: str) -> str:
    """Lines that set an address for what follows."""
    kept = [line for line in text.split("\n") if re.search(r"(?i)(DATABASE|PG|DB)_?(URL|HOST|PORT|DSN)|jdbc:", line)]
    return "\n".join(line for line in kept if not line.lstrip().startswith("#"))


def _finding(place: str, line: int, text: str, address: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=META.title,
        place=place,
        line=line,
        excerpt=text[:200],
        consequence=f"The address ({address.strip()}) is a pooler's: in transaction mode the migration lock and"
        " lock_timeout stay behind on another session and guard nothing.",
        fix="Run migrations over the database's own address.",
    )


_SQL = "SELECT pg_try_advisory_lock(1);\nCREATE TABLE t (a int);\n"
BAD = (
    {"run.sh": "#!/bin/sh\npsql -h db -p 6432 -d app -f migrations/1.sql\n", "migrations/1.sql": _SQL},
    {"deploy.sh": "#!/bin/sh\nexport DATABASE_URL=postgres://app@pgbouncer.internal/app\nnpx prisma migrate deploy\n"},
)
GOOD = (
    {"run.sh": "#!/bin/sh\npsql -h db -p 5432 -d app -f migrations/1.sql\n", "migrations/1.sql": _SQL},
    {"deploy.sh": "#!/bin/sh\nexport DATABASE_URL=postgres://app@db/app\nnpx prisma migrate deploy\n"},
    {"deploy.sh": "#!/bin/sh\nexport REDIS_PORT=6432\nflyway -url=jdbc:postgresql://db/app migrate\n"},
)
