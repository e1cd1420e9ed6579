"""A migration of MySQL, Oracle or SQL Server copies tables, or makes writes wait.

## What it does
Reads upgrade scripts of MySQL, MariaDB, Oracle and SQL Server, Laravel's and EF Core's migrations, statement by statement:
what copies or rebuilds a table, builds an index without the server's online form, checks a foreign key over all rows, locks
tables, changes every row at once, takes away what the running version uses. Tables that the same file makes do not count.
There is no catalogue behind it as for PostgreSQL: what a statement really does is shown by a rehearsal.

## Why it matters
On a table with millions of rows each of them takes minutes, and every writer waits that long; nobody sees it in a test.

## Example
```
ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4;
CREATE INDEX ix ON result (order_id);      -- Oracle, without ONLINE
```

## Fix
MySQL: `ALGORITHM=INPLACE, LOCK=NONE` (it refuses where it cannot), or gh-ost and pt-online-schema-change. Oracle: `ONLINE`,
`ENABLE NOVALIDATE` and a later `VALIDATE`. Changes of all rows in batches, each committed.

## References
- MySQL Reference Manual, Online DDL Operations; Oracle Database SQL Language Reference, CREATE INDEX
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fulldress.formats.late import late
from fulldress.formats.patterns import Pattern
from fulldress.model.finding import SEVERITIES, Finding, Severity
from fulldress.model.package import Entry
from fulldress.scan.credentials import secrets
from fulldress.scan.database.migration_files import foreign, is_upgrade, natural
from fulldress.scan.database.other_databases import Stop, efcore, laravel, stops
from fulldress.scan.places import standing
from fulldress.scan.reading import is_vendored
from fulldress.scan.rule import Context, RuleMeta

META = RuleMeta(
    slug="other-database-stops",
    family="migration",
    title="Migration of another database that makes writers wait",
    severity="high",
    confidence="likely",
)
_LARAVEL = Pattern(r"Illuminate\\Database\\Migrations\\Migration", once=True)
_EFCORE = Pattern(r"\bvoid\s{1,4}Up\(MigrationBuilder\b", once=True)
LOOKS_FOR = (_LARAVEL, _EFCORE)
_FOLDER = late(r"(^|[!/])migrations?/[^/]+\.php$")
SINGLE = 2
"""Scripts of one folder that are told one by one."""
MOST = 10
"""Kinds that a finding names beside the worst."""


class _Read(NamedTuple):
    """A script with what in it stops people."""

    entry: Entry
    tool: str
    found: list[Stop]

    @property
    def worst(self) -> Stop:
        """The worst statement, the first of its kind."""
        return min(self.found, key=lambda stop: (SEVERITIES.index(stop.severity), stop.line))


def check(context: Context) -> Iterator[Finding]:
    """One finding for each script, at its worst statement; one for a folder of many, which are the past versions' too."""
    folders: dict[str, list[_Read]] = {}
    for read in _read(context):
        if read.found:
            folders.setdefault(read.entry.place.rpartition("/")[0], []).append(read)
    for reads in folders.values():
        if len(reads) > SINGLE:
            yield _together(sorted(reads, key=lambda read: natural(read.entry.place)))
        else:
            yield from (_told(read) for read in reads)


def _read(context: Context) -> Iterator[_Read]:
    for script in foreign(context):
        if is_upgrade(script.entry.place):
            yield _Read(script.entry, script.dialect, stops(context.text(script.entry) or "", script.dialect))
    for entry in context.matching(_LARAVEL, among=lambda e: _FOLDER.search(e.place) is not None):
        if standing(entry.place) == "acting":
            yield _Read(entry, "Laravel", laravel(context.text(entry) or ""))
    for entry in context.matching(_EFCORE, among=lambda e: e.place.endswith(".cs")):
        if standing(entry.place) == "acting":
            yield _Read(entry, "EF Core", efcore(context.text(entry) or ""))


def _told(read: _Read) -> Finding:
    worst, found = read.worst, read.found
    kinds = dict.fromkeys(stop.what for stop in found)
    also = "; ".join(f"{what} ({_lines(found, what, worst)})" for what in list(kinds)[:MOST] if _lines(found, what, worst))
    return _finding(
        read,
        "low" if is_vendored(read.entry.place) else worst.severity,
        f"{read.entry.place.rpartition('/')[2]} ({read.tool}) {worst.what}",
        "Who writes waits as long as it takes." + (f" The same script also {also}." if also else ""),
    )


def _together(reads: list[_Read]) -> Finding:
    """The whole history of a product, as far as anybody can tell: the latest script is the likeliest to run."""
    last = reads[-1]
    named = "; ".join(f"{r.entry.place.rpartition('/')[2]}:{r.worst.line} {r.worst.what}" for r in reads[: -MOST - 1 : -1])
    severity: Severity = "low" if is_vendored(last.entry.place) else "medium"
    title = f"{len(reads)} scripts of {last.tool} copy or lock tables, the latest {last.entry.place.rpartition('/')[2]}"
    return _finding(last, severity, title, f"{named}. Those that the installed version has run already do not run again.")


def _finding(read: _Read, severity: Severity, title: str, consequence: str) -> Finding:
    return Finding(
        rule=META.slug,
        severity=severity,
        confidence=META.confidence,
        title=title,
        place=read.entry.place,
        line=read.worst.line,
        excerpt=secrets.hidden(read.worst.text),
        consequence=consequence,
        fix="Use the server's online form, or batches; rehearse how long it takes on a copy.",
    )


def _lines(found: list[Stop], what: str, worst: Stop) -> str:
    """``lines 4, 5`` of a kind, without the line that the finding stands at."""
    numbers = sorted({stop.line for stop in found if stop.what == what and stop is not worst})[:8]
    return f"{'lines' if len(numbers) > 1 else 'line'} {', '.join(map(str, numbers))}" if numbers else ""


_CS = "public partial class A : Migration\n{\n  protected override void Up(MigrationBuilder mb)\n  {\n"
BAD = (
    {"mysql/upgrade-2.sql": "ALTER TABLE `orders` CONVERT TO CHARACTER SET utf8mb4;\n"},
    {"mysql/upgrade-3.sql": "LOCK TABLES stock WRITE;\nUPDATE stock SET n = 0;\nUNLOCK TABLES;\n"},
    {"oracle/upgrade_7.sql": "CREATE INDEX ix ON result (order_id);\nALTER TABLE ord MOVE TABLESPACE d2;\n"},
    {"mssql/upgrade1.sql": "ALTER TABLE [dbo].[orders] ALTER COLUMN n bigint;\nGO\n"},
    {
        "database/migrations/2026_01_01_x.php": "<?php\nuse Illuminate\\Database\\Migrations\\Migration;\n"
        "public function up() {\n Schema::table('orders', function ($t) {\n  $t->decimal('n', 14)->change();\n });\n}\n"
    },
    {"src/Migrations/2026_A.cs": _CS + '    mb.CreateIndex(name: "ix", table: "move", column: "sku");\n  }\n}\n'},
    {
        "src/Migrations/2026_B.cs": _CS
        + '    mb.AddColumn<string>(\n name: "b",\n table: "t",\n defaultValueSql: "newid()");\n'
    },
    {"src/Migrations/2026_C.cs": _CS + '    mb.Sql("UPDATE item SET a = trim(a)");\n  }\n}\n'},
)
GOOD = (
    {
        "src/Migrations/2026_A.cs": _CS + '    mb.CreateTable(name: "bin", columns: t => new { id = t.Column<int>() });\n'
        '    mb.CreateIndex(name: "ix", table: "bin", column: "a");\n'
        '    mb.AddColumn<int>(name: "n", table: "t", nullable: true);\n'
        '    mb.CreateIndex(name: "i", table: "t", column: "a").Annotation("Npgsql:CreatedConcurrently", true);\n  }\n'
        '  protected override void Down(MigrationBuilder mb)\n  {\n    mb.DropTable(name: "bin");\n  }\n}\n'
    },
    {"mysql/upgrade-2.sql": "CREATE TABLE `log` (id INT);\nALTER TABLE `log` CONVERT TO CHARACTER SET utf8mb4;\n"},
    {"mysql/upgrade-3.sql": "ALTER TABLE `orders` ADD COLUMN h TEXT, ALGORITHM=INSTANT;\n-- LOCK TABLES x WRITE;\n"},
    {"mysql/upgrade-4.sql": "CREATE INDEX ix ON `o` (sku) ALGORITHM=INPLACE LOCK=NONE;\nDELETE FROM `o` WHERE a < 1;\n"},
    {"oracle/upgrade_7.sql": "CREATE INDEX ix ON result (order_id) ONLINE;\nALTER TABLE ord ADD (v NUMBER(4));\n"},
    {"mysql/schema.sql": "ALTER TABLE `orders` CONVERT TO CHARACTER SET utf8mb4;\n"},
    {
        "database/migrations/2026_01_01_x.php": "<?php\nuse Illuminate\\Database\\Migrations\\Migration;\n"
        "public function up() {\n Schema::create('hint', function ($t) {\n  $t->string('x')->index();\n });\n}\n"
        "public function down() {\n Schema::dropIfExists('hint');\n}\n"
    },
)
