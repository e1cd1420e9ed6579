"""A database of the estate says that a migration failed, or that somebody holds the migration lock.

## What it does
Reads what the inventory found in the migration tools' own tables: DATABASECHANGELOGLOCK and knex's lock row left true,
golang-migrate's dirty mark, failed or unfinished migrations of Flyway, sqlx, Prisma. Looked at when the package migrates.

## Why it matters
The next migration refuses to start, or waits for a lock that nobody will ever release, in the middle of the window.

## Example
```
databasechangeloglock: locked by app-03 (10.0.0.7)
```

## Fix
Find out what the failed migration did before anything else; then release the lock with the tool's own command.

## References
- Liquibase: release-locks
"""

from __future__ import annotations

from collections.abc import Iterator

from fulldress.model.estate import DatabaseFacts, Estate, HostFacts, MigrationState
from fulldress.model.finding import Finding
from fulldress.scan.database.migration_files import sources
from fulldress.scan.database.migration_runs import RUNS_A_TOOL, tool_runs
from fulldress.scan.database.migration_state import databases
from fulldress.scan.places import standing
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="migration-lock-left-behind",
    family="migration",
    title="A migration lock or a failed migration is left in the database",
    severity="high",
    confidence="certain",
    needs=("estate",),
)
LOOKS_FOR = (RUNS_A_TOOL,)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each database and tool in trouble, if the package migrates at all."""
    first = next((s.entry.place for s in sources(context) if s.certain), "")
    place = first or next((run.entry.place for run in tool_runs(context)), "")
    for database in databases(context):
        for state in database.migrations if place else ():
            if state.trouble:
                yield _finding(place, database, state)
    yield from _of_mysql(context, place)


def _of_mysql(context: Context, place: str) -> Iterator[Finding]:
    """The same for databases whose SQL is not analysed: any file that is written to be run there is a migration."""
    found = [
        d for h in (context.estate.hosts if context.estate is not None else ()) for d in h.databases if d.engine == "mysql"
    ]
    troubled = [(database, state) for database in found for state in database.migrations if state.trouble]
    if troubled and not place:
        written = (e.place for e in context.ending(".sql") if standing(e.place) == "acting")
        place = next(written, "")
    for database, state in troubled if place else ():
        yield _finding(place, database, state)


def _finding(place: str, database: DatabaseFacts, state: MigrationState) -> Finding:
    return Finding(
        rule=META.slug,
        severity=META.severity,
        confidence=META.confidence,
        title=f"{database.name}.{state.table}: {state.trouble}",
        place=place,
        excerpt=f"{state.tool}: {state.trouble}"[:200],
        consequence=f"The next {state.tool.removesuffix(' lock')} migration refuses to start, or waits for ever.",
        fix="Find out what the failed migration did; then release the lock with the tool's own command.",
    )


def _estate(trouble: str) -> Estate:
    state = MigrationState(tool="liquibase lock", table="databasechangeloglock", trouble=trouble)
    database = DatabaseFacts(name="app", server_version="15", migrations=(state,))
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", databases=(database,))
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_SHOP = DatabaseFacts(
    name="shop",
    engine="mysql",
    server_version="10.11.6-MariaDB",
    migrations=(MigrationState(tool="flyway", table="flyway_schema_history", trouble="failed: 1.5"),),
)
_IN_MYSQL = Estate(taken="", hosts=(HostFacts(name="h", hostname="h", os="debian", os_version="12", databases=(_SHOP,)),))
_FILES: dict[str, str | bytes] = {"migrations/1.sql": "CREATE TABLE t (a int);\n"}
BAD = (
    Sample(files=_FILES, estate=_estate("locked by app-03")),
    Sample(files={"sql/V1_6__a.sql": "ALTER TABLE `a` ADD b int, ENGINE=InnoDB;\n"}, estate=_IN_MYSQL),
)
GOOD = (
    Sample(files=_FILES, estate=_estate("")),
    Sample(files={"README": "nothing migrates\n"}, estate=_estate("locked by app-03")),
    Sample(files={"README": "nothing migrates\n"}, estate=_IN_MYSQL),
)
