"""Nothing keeps two migrations from running at once.

## What it does
Finds migration tools that take no lock of their own (Alembic, Django, TypeORM, drizzle, Entity Framework, dbmate, goose),
and scripts that run migrations with psql where neither the script nor the migration takes a lock of its own (an
advisory lock, or a lock on the version table).

## Why it matters
Started twice (an impatient operator, a retry, two hosts), both run the same ALTER and the same backfill: one of them
fails half-way, or the change is applied twice.

## Example
```
psql -d app -f migrations/0051.sql
```

## Fix
Take `pg_try_advisory_lock` before the first statement, polled with a deadline, and hold it to the end of the session.
`fulldress adapt` puts such a guard in front of each migration. (A blocking `pg_advisory_lock` would deadlock with
CREATE INDEX CONCURRENTLY.)

## References
- PostgreSQL: Advisory Locks
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.formats import sql
from fulldress.model.finding import Cure, Finding
from fulldress.scan.database.migration_files import Source
from fulldress.scan.database.migration_runs import ADVISORY, RUNS_A_TOOL, Run, ToolRun, runs, tool_runs
from fulldress.scan.reading import current_text, encode
from fulldress.scan.rule import Context, RuleMeta

LOOKS_FOR = (RUNS_A_TOOL, ADVISORY)
META = RuleMeta(
    slug="migration-without-mutex",
    family="migration",
    title="Migrations run without a mutual exclusion",
    severity="high",
    confidence="certain",
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each script, at its first unguarded psql command."""
    told: set[str] = set()
    yield from _tools(context)
    for run in runs(context):
        bare = _unguarded(run)
        if not bare or run.script.entry.place in told:
            continue
        told.add(run.script.entry.place)
        names = sorted(
            {m.entry.place.rpartition("/")[2] for r in _of(context, run.script.entry.place) for m in _unguarded(r)}
        )
        single = any(r.single for r in _of(context, run.script.entry.place))
        yield Finding(
            rule=META.slug,
            severity=META.severity,
            confidence=META.confidence,
            title=f"{len(names)} migration{'s' * (len(names) > 1)} run by psql with no migration lock",
            place=run.script.entry.place,
            line=run.command.line,
            excerpt=run.command.text,
            consequence=f"Two runs at the same time both apply {', '.join(names[:4])}{' ...' * (len(names) > 4)}:"
            " one fails half-way, or a change happens twice.",
            fix="Take out psql's -1 and guard each migration with an advisory lock."
            if single
            else "Guard each migration with a polled advisory lock that its session holds to the end.",
            curable=not single,
        )


def _tools(context: Context) -> Iterator[Finding]:
    """One finding for each tool that takes no lock of its own, unless somebody in the package takes one."""
    bare = [run for run in tool_runs(context) if not run.tool.locks]
    # A lock that one SQL script takes guards that script, not what a tool runs.
    if not bare or any(not entry.place.endswith(".sql") for entry in context.matching(ADVISORY)):
        return
    first: dict[str, list[ToolRun]] = {}
    for run in bare:
        first.setdefault(run.tool.name, []).append(run)
    for name, listed in first.items():
        more = f" (and {len(listed) - 1} more place{'s' * (len(listed) > 2)})" if len(listed) > 1 else ""
        yield Finding(
            rule=META.slug,
            severity="medium",
            confidence="likely",
            title=f"{name} migrates without a lock of its own{more}",
            place=listed[0].entry.place,
            line=listed[0].line,
            excerpt=listed[0].text[:200],
            consequence="Two runs at the same time both apply what is pending: one fails half-way,"
            " or a change happens twice.",
            fix="Run it once, as a step of the release that holds a lock (the `migration` step does).",
        )


def _of(context: Context, place: str) -> list[Run]:
    return [run for run in runs(context) if run.script.entry.place == place]


def _unguarded(run: Run) -> list[Source]:
    if "advisory" in run.script.text and sql.has_mutex(_statements(run.script.text)):
        return []
    return [m for m in run.sources if not sql.has_mutex(m.text)]


def _statements(text: str) -> str:
    """SQL that a script hands over in quotes, as far as a mutex may be in it."""
    start = text.find("pg_")
    return f"SELECT {text[start:].splitlines()[0].split(';')[0].rstrip(chr(34) + chr(39))}" if start >= 0 else ""


def cure(context: Context, finding: Finding) -> Cure | None:
    """A guard in front of each migration that the script runs."""
    edits: dict[str, bytes | None] = {}
    for run in _of(context, finding.place):
        if run.single:
            return None
        for migration in _unguarded(run):
            text = current_text(context, migration.entry.place)
            if text is not None:
                edits[migration.entry.place] = encode(sql.MUTEX + text)
    note = f"an advisory lock, polled for up to five minutes, guards {len(edits)} migration{'s' * (len(edits) > 1)}"
    return Cure(edits=edits, note=note, safety="review") if edits else None


_SQL = "CREATE TABLE t (a int);\n"
BAD = (
    {"deploy.sh": "#!/bin/sh\nphp artisan migrate --force\n"},
    {"deploy.sh": "#!/bin/sh\nalembic upgrade head\n"},
    {"deploy.sh": "#!/bin/sh\npython manage.py migrate --noinput\n"},
    {"scripts/migrate.sh": "#!/bin/sh\npsql -d app -f migrations/0051.sql\n", "migrations/0051.sql": _SQL},
    {
        "run.sh": '#!/bin/bash\nfor f in migrations/*.sql; do su postgres -c "psql -d app -f $f"; done\n',
        "migrations/0051.sql": _SQL,
    },
    {"run.sh": "#!/bin/sh\nsudo -u postgres psql app < sql/1.sql\n", "sql/1.sql": _SQL},
    {"run.sh": "#!/bin/sh\nrunuser -u postgres -- psql -d app -1 -f sql/1.sql\n", "sql/1.sql": _SQL},
)
GOOD = (
    {"deploy.sh": "#!/bin/sh\nflyway migrate\n"},
    {
        "deploy.sh": "#!/bin/sh\nalembic upgrade head\n",
        "alembic/env.py": "connection.execute('SELECT pg_advisory_lock(7)')\n",
    },
    {"run.sh": "#!/bin/sh\npsql -d app -f 1.sql\n", "1.sql": "SELECT pg_advisory_lock(1);\n" + _SQL},
    {"run.sh": "#!/bin/sh\npsql -d app -f 1.sql\n", "1.sql": sql.MUTEX + _SQL},
    {"run.sh": "#!/bin/sh\npsql -d app -c 'SELECT 1'\n", "1.sql": _SQL},
)
