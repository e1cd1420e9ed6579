"""A migration holds writers off a MySQL table that the estate has.

## What it does
Reads the package's SQL for MySQL and MariaDB and reports what InnoDB does not do beside writers: changes of a column's
type, new foreign keys, conditions and full-text indexes, conversions of the character set, another engine, `LOCK TABLES`,
updates of every row. The types of the columns and the rows of the tables are those of the inventory: a `varchar` that grows
within its length byte is no copy. Statements that ask for `LOCK=NONE` where the server refuses it are told apart.

## Why it matters
The table is copied while every writer waits; at a million rows that is minutes. A statement that the server refuses (error
1846) stops the migration in its middle, and MySQL does not roll back what came before.

## Example
```
ALTER TABLE orders MODIFY customer varchar(300) NOT NULL;   -- was varchar(100) latin1: every row is written anew
```

## Fix
Ask for `ALGORITHM=INPLACE, LOCK=NONE` where the server can; else use an online schema change (pt-online-schema-change,
gh-ost), or plan the outage. Rehearse it: the rehearsal shows how long writers wait.

## References
- MySQL 8.0 Reference Manual, Online DDL Operations; MariaDB, InnoDB Online DDL Overview
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from fulldress.formats.mysqlddl import Blocking, Known, blocking, plain
from fulldress.model.estate import DatabaseFacts, Estate, HostFacts, MigrationState
from fulldress.model.finding import Finding, Severity
from fulldress.scan.credentials import secrets
from fulldress.scan.database.migration_files import foreign, sources, version_of
from fulldress.scan.jobs.callgraph import short
from fulldress.scan.places import standing
from fulldress.scan.rule import Context, RuleMeta, Sample

META = RuleMeta(
    slug="mysql-blocking-ddl",
    family="migration",
    title="Migration holds writers off a MySQL table",
    severity="high",
    confidence="likely",
    needs=("estate",),
)
MANY, SOME = 1_000_000, 10_000
"""Rows from which a copy takes minutes, and seconds."""


class _Hit(NamedTuple):
    place: str
    found: Blocking
    database: DatabaseFacts
    rows: int


def check(context: Context) -> Iterator[Finding]:
    """One finding for each table of the estate, at the worst statement."""
    databases = [d for h in (context.estate.hosts if context.estate is not None else ()) for d in h.databases]
    known = [d for d in databases if d.engine == "mysql" and d.tables]
    by_table: dict[tuple[str, str], list[_Hit]] = {}
    for place, text in _texts(context, alone=len(known) == len(databases)) if known else ():
        for database in known:
            if _applied(database, place):
                continue
            for found in blocking(text, _tables(database)):
                rows = _rows(database).get(found.table.lower())
                if rows is not None:
                    by_table.setdefault((database.name, found.table), []).append(_Hit(place, found, database, rows))
    for hits in by_table.values():
        yield _finding(hits)


def _texts(context: Context, *, alone: bool) -> Iterator[tuple[str, str]]:
    """SQL that is written for MySQL; all plain SQL where the estate has no other database."""
    for script in foreign(context):
        if script.dialect == "MySQL" and standing(script.entry.place) == "acting":
            yield script.entry.place, context.text(script.entry) or ""
    for source in sources(context) if alone else ():
        if source.entry.place.endswith(".sql"):
            yield source.entry.place, source.text


def _applied(database: DatabaseFacts, place: str) -> bool:
    """True for a numbered migration that the database's own table has already."""
    version = version_of(place)
    reached = [version_of(s.version) for s in database.migrations if s.tool in ("flyway", "golang-migrate", "goose", "sqlx")]
    return bool(version) and any(known and version <= known for known in reached)


def _tables(database: DatabaseFacts) -> Mapping[str, Known]:
    """Tables as the statements name them; their character set is the beginning of their collation."""
    return {
        plain(table): Known(
            database.columns.get(table, {}),
            database.table_collations.get(table, database.encoding).partition("_")[0],
        )
        for table in database.tables
    }


def _rows(database: DatabaseFacts) -> dict[str, int]:
    return {plain(table).lower(): rows for table, rows in database.tables.items()}


def _severity(hit: _Hit) -> Severity:
    if hit.found.refused and hit.found.sure:
        return "high"
    by_rows: Severity = "high" if hit.rows >= MANY else "medium" if hit.rows >= SOME else "low"
    return "medium" if by_rows == "high" and not hit.found.sure else by_rows


def _finding(hits: list[_Hit]) -> Finding:
    order = ("high", "medium", "low")
    worst = min(hits, key=lambda hit: order.index(_severity(hit)))
    found, database = worst.found, worst.database
    places = ", ".join(dict.fromkeys(f"{short(hit.place)}:{hit.found.line}" for hit in hits[:5]))
    more = f"; {len(hits)} statements" if len(hits) > 1 else ""
    return Finding(
        rule=META.slug,
        severity=_severity(worst),
        confidence=META.confidence if found.sure else "possible",
        title=f"The server refuses a change of {found.table} that asks for no lock: it {found.why}"
        if found.refused
        else f"Writers of {found.table} ({worst.rows:,} rows in {database.name}) wait: the change {found.why}",
        place=worst.place,
        line=found.line,
        excerpt=secrets.hidden(" ".join(found.text[:1000].split()))[:200],
        consequence=f"The statement stops with error 1846, in the middle of the migration. ({places})"
        if found.refused
        else f"Every write to the table waits until it is done ({places}{more}).",
        fix="Ask for LOCK=NONE where the server can do it; else change the table online (gh-ost), or plan the outage.",
    )


def _estate(rows: int, *, applied: str = "") -> Estate:
    states = (MigrationState(tool="flyway", table="flyway_schema_history", version=applied),) if applied else ()
    shop = DatabaseFacts(
        name="shop",
        engine="mysql",
        server_version="10.11.6-MariaDB",
        encoding="latin1",
        collation="latin1_swedish_ci",
        tables={"orders": rows},
        columns={"orders": {"id": "int(11) not null", "customer": "varchar(100) not null"}},
        migrations=states,
    )
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", databases=(shop,))
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


_BIG = _estate(5_000_000)
_CHANGE = "ALTER TABLE `orders` MODIFY customer varchar(300) NOT NULL;\n"
BAD = (
    Sample(files={"migrations/V2__a.sql": _CHANGE}, estate=_BIG),
    Sample(files={"migrations/V2__a.sql": "ALTER TABLE orders ADD CONSTRAINT c CHECK (id > 0);\n"}, estate=_BIG),
    Sample(files={"migrations/V2__a.sql": "LOCK TABLES `orders` WRITE;\nUPDATE `orders` SET id = 1;\n"}, estate=_BIG),
    Sample(files={"migrations/V2__a.sql": "ALTER TABLE `orders` ADD FULLTEXT f (customer), LOCK=NONE;\n"}, estate=_BIG),
)
GOOD = (
    Sample(files={"migrations/V2__a.sql": "ALTER TABLE `orders` MODIFY customer varchar(200) NOT NULL;\n"}, estate=_BIG),
    Sample(files={"migrations/V2__a.sql": "ALTER TABLE `orders` ADD INDEX i (customer), ADD n int;\n"}, estate=_BIG),
    Sample(files={"migrations/V2__a.sql": "ALTER TABLE `others` ORDER BY a;\n"}, estate=_BIG),
    Sample(files={"migrations/V2__a.sql": _CHANGE}, estate=_estate(5_000_000, applied="3")),
    Sample(files={"docs/V2__a.sql": _CHANGE}, estate=_BIG),
)
