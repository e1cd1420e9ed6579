"""A statement reaches beyond the tables that the upgrade is about.

## What it does
Finds SQL that suspends foreign keys and triggers, changes the server's or a database's settings (`ALTER SYSTEM`, `ALTER
DATABASE ... SET`, `SET GLOBAL`), ends other people's sessions, brings languages and modules into the server that may do
everything or need a restart, hands out the server's own roles, takes row security away, creates functions that run with
their owner's rights and any search path, moves sequences to a number of the vendor's, drops schemas with all that hangs on
them, flips switches that are rows, and calls functions that move every row of a table (TimescaleDB, Citus, pg_partman).

## Why it matters
Neither a review of the tables nor a rollback of the files sees it: the setting, the role and the session stay as they are.

## Example
```
SET session_replication_role = replica;
```

## Fix
Ask the vendor what it is for; write down how it is taken back, and who agrees.

## References
- PostgreSQL: ALTER SYSTEM; CREATE FUNCTION, Writing SECURITY DEFINER Functions Safely; Predefined Roles
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from fulldress.formats.late import late
from fulldress.model.finding import Finding
from fulldress.model.package import Entry
from fulldress.scan.jobs.embedded_shell import embedded
from fulldress.scan.reading import scripts
from fulldress.scan.roles import role
from fulldress.scan.rule import Context, RuleMeta
from fulldress.scan.settings import settings_table
from fulldress.scan.settings.settings_table import Row

META = RuleMeta(
    slug="sql-beyond-schema",
    family="migration",
    title="SQL that reaches beyond its tables",
    severity="medium",
    confidence="likely",
)
_STRONG = (
    *(
        "session_replication_role",
        "disable trigger",
        "disable row",
        "nocheck",
        "pg_terminate_backend",
        "single_user",
        "alter system",
    ),
    *(
        "alter database",
        "alter role",
        "alter user",
        "set global",
        "set persist",
        "sp_configure",
        "trustworthy",
        "create extension",
    ),
    *("install plugin", "install component", "grant pg_", "drop schema", "drop owned", "compress_chunk", "migrate_data"),
    *("create_distributed", "partition_data", "continuous_aggregate"),
)
_WORDS = (*_STRONG, "definer", "soname", "setval", "feature", "flag", "toggle", "switch", "materialized")
"""One of these is in every text that says such a thing, in lower case; the first in a script's too."""
_SQL = late(r"")
_CLIENTS = ("psql", "mysql", "sqlcmd", "sqlplus", "mariadb")
_EXTENSION = late(r"(?i)--[\w.]+\.sql$|(^|[!/])extensions?/[^!]*\.sql$")
"""Scripts that ``CREATE EXTENSION`` runs."""
MAX_NAMED = 8
"""Files that one finding names."""
_FILES = late(r"(?i)\.(sql|ddl|psql|pgsql|pks|pkb)$")
_TAKEN_BACK = "Ask the vendor what it is for, and write down how it is taken back."
_STAYS = "It holds for everybody who uses the server, and no rollback of the package takes it back."


def _any_path(lines: Sequence[str], number: int) -> bool:
    """No ``SET search_path`` in the same statement; MySQL's ``SQL SECURITY DEFINER`` is another thing."""
    said = "\n".join(lines[max(0, number - 8) : number + 3])
    return "search_path" not in "\n".join(lines[max(0, number - 8) : number + 8]) and not re.search(
        r"(?i)(?<!LANGUAGE )\bSQL\s+SECURITY\s+DEFINER\b", said
    )


def _filled(lines: Sequence[str], number: int) -> bool:
    """The view is computed at once."""
    statement = "\n".join(lines[number - 1 : number + 40]).partition(";")[0]
    return re.search(r"(?i)\bWITH\s+NO\s+DATA\b", statement) is None


ROWS = (
    Row(
        _SQL,
        late(
            r"(?i)\bsession_replication_role\s*(?:=|to)\s*'?(?:replica|local)|\bALTER\s+TABLE\b.*\bDISABLE\s+TRIGGER\b|"
            r"\bNOCHECK\s+CONSTRAINT\b"
        ),
        "medium",
        "suspends foreign keys and triggers",
        "What is written meanwhile is checked by nobody, by no audit trigger either; wrong rows are found weeks later.",
        "Write the rows in an order that keeps the constraints.",
    ),
    Row(
        _SQL,
        late(r"(?i)\bALTER\s+TABLE\b.*\bDISABLE\s+ROW\s+LEVEL\b"),
        "medium",
        "takes row security away",
        "Every role that may read the table reads every tenant's rows.",
        _TAKEN_BACK,
    ),
    Row(
        _FILES,
        late(r"(?i)\bSECURITY\s+DEFINER\b"),
        "low",
        "makes a function that runs with its owner's rights and any search path",
        "Whoever may create an object in a schema of the path runs code as the owner.",
        "Add SET search_path = ... to the function.",
        _any_path,
    ),
    Row(
        _SQL,
        late(r"(?i)\bpg_terminate_backend\s*\(|\bSINGLE_USER\s+WITH\s+ROLLBACK\b"),
        "medium",
        "ends other people's sessions",
        "What they were about to save is rolled back; programs without a retry fail.",
        "Stop the programs that use the database, and wait until they are gone.",
    ),
    Row(
        _SQL,
        late(r"(?i)\bALTER\s+SYSTEM\s+(?:SET|RESET)\b|\bSET\s+(?:GLOBAL|PERSIST)\s|\bsp_configure\s+'|\bTRUSTWORTHY\s+ON\b"),
        "medium",
        "changes the settings of the database server",
        _STAYS + " Some take effect at the next restart only, when nobody thinks of the upgrade any more.",
        _TAKEN_BACK,
    ),
    Row(
        _SQL,
        late(
            r"(?i)\bALTER\s+(?:DATABASE|ROLE|USER)\s+\S+\s+(?:IN\s.*\s)?SET\s+(?!lock_timeout|statement_timeout|idle_in)\w"
        ),
        "medium",
        "changes what every new connection finds",
        _STAYS,
        _TAKEN_BACK,
    ),
    Row(
        _SQL,
        late(
            r"(?i)\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?\"?(?:pl(?:python\d?|perl|tcl|r|java|sh)u?|file_fdw|adminpack|dblink|"
            r"oracle_fdw|mysql_fdw|pageinspect|http|pg_background)\b|\bINSTALL\s+(?:PLUGIN|COMPONENT)\s|\bSONAME\s+'"
        ),
        "medium",
        "brings into the database server what may read files or call out",
        "Who may use it acts as the account of the server; its package must be on the host too.",
        _TAKEN_BACK,
    ),
    Row(
        _SQL,
        late(
            r"(?i)\bCREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?\"?(?:timescaledb|pg_cron|pg_stat_statements|pgaudit|citus|pglogical|"
            r"pg_partman|auto_explain|pg_stat_kcache|pg_squeeze|age|postgis|vector|pg_net|wal2json|pg_repack)\b"
        ),
        "low",
        "needs an extension that the server may not have",
        "Its package must be on the host; some also need shared_preload_libraries, which is a restart of the server.",
        "Install and configure it in a step of its own before the window.",
    ),
    Row(
        _SQL,
        late(
            r"(?i)\bGRANT\s+pg_(?:execute_server_program|read_server_files|write_server_files|read_all_data|write_all_data|maintain)\b"
        ),
        "medium",
        "hands out a role of the server's own",
        "Who gets into the application reads and writes beyond its own tables, some of these start programs on the host.",
        "Grant what the work needs, on the tables that it needs.",
    ),
    Row(
        _SQL,
        late(r"(?i)\bALTER\s+(?:ROLE|USER)\s.*(?<!NO)(?:BYPASSRLS|REPLICATION)\b"),
        "medium",
        "hands out a role of the server's own",
        "Who gets into the application reads the rows of every tenant, or a copy of everything.",
        "Grant what the work needs, on the tables that it needs.",
    ),
    Row(
        _SQL,
        late(r"(?i)\bDROP\s+SCHEMA\s.*\bCASCADE\b|\bDROP\s+OWNED\s+BY\b"),
        "medium",
        "drops a schema with all that is in it",
        "What was entered since, and what others built upon it, is gone with it.",
        "Rename it, and drop it weeks later.",
    ),
    Row(
        _FILES,
        late(r"(?i)\bsetval\s*\(\s*'[^']*'(?:::\w+)?\s*,\s*\d+\s*(?:,\s*\w+\s*)?\)"),
        "medium",
        "moves a sequence to a number of the vendor's",
        "Where rows with higher numbers are there, the next ones collide.",
        "Take the highest number that is there: setval(..., (SELECT max(id) FROM ...)).",
    ),
    Row(
        _SQL,
        late(
            r"(?i)^(?!.*\b(?:FUNCTION|PROCEDURE)\b).*(?:\b(?:re|de)?compress_chunk\s*\(|\bmigrate_data\s*(?:=>|:=)\s*true|\bcreate_distributed_table\s*\(|"
            r"\bpartition_data_(?:proc|time|id)\s*\(|\brefresh_continuous_aggregate\s*\(.*null)"
        ),
        "medium",
        "calls a function that moves every row",
        "It holds its locks for as long as the table is large; no lock_timeout bounds that.",
        "Run it in pieces before the window, and rehearse how long it takes.",
    ),
    Row(
        _FILES,
        late(r"(?i)^\s*UPDATE\s+[\w.\"`]*(?:feature|flag|toggle|switch)\w*[\"`]?\s+SET\s"),
        "low",
        "flips switches that are rows",
        "The version that comes back after a rollback finds them on.",
        "Write down each switch with its value before; make flipping it back a step of the rollback.",
    ),
    Row(
        _FILES,
        late(r"(?i)\bCREATE\s+MATERIALIZED\s+VIEW\s"),
        "low",
        "computes a materialized view while the upgrade waits",
        "It reads all that it is made of; the window is as long as that.",
        "Create it WITH NO DATA, and refresh it afterwards.",
        _filled,
    ),
)


def check(context: Context) -> Iterator[Finding]:
    """One finding for each kind in a folder; programs that are installed, and extensions of a server, are left alone."""
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in settings_table.read_whole(context, META, _texts(context), ROWS, _WORDS):
        place = finding.place
        folder, _, name = place.rpartition("/")
        kinds.setdefault((folder, finding.title.removeprefix(name)), []).append(finding)
    for found in kinds.values():
        yield found[0] if len(found) == 1 else _together(found)


def _says(lower: str, words: tuple[str, ...] = _WORDS) -> bool:
    return any(word in lower for word in words)


def _texts(context: Context) -> Iterator[Entry]:
    """SQL files, and scripts of the upgrade, that say one of these things."""
    for entry in context.ending(".sql", ".ddl", ".psql", ".pgsql", ".pks", ".pkb"):
        if not _EXTENSION.search(entry.place) and _says((context.text(entry) or "").lower()):
            yield entry
    for script in (*scripts(context), *embedded(context)):
        calls = any(client in script.text for client in _CLIENTS) and _says(script.text.lower(), _STRONG)
        if calls and role(context, script.entry.place) == "upgrade":
            yield script.entry


def _together(found: list[Finding]) -> Finding:
    named = "; ".join(f"{f.place.rpartition('/')[2]}:{f.line}" for f in found[1:MAX_NAMED])
    more = f" and {len(found) - MAX_NAMED} more" if len(found) > MAX_NAMED else ""
    return msgspec.structs.replace(found[0], consequence=f"{found[0].consequence} So do {named}{more}.")


BAD = (
    {"db/a.sql": "SET session_replication_role = replica;\n"},
    {"db/a.sql": "ALTER TABLE t DISABLE TRIGGER ALL;\nALTER TABLE t DISABLE ROW LEVEL SECURITY;\n"},
    {"db/a.sql": "CREATE FUNCTION f() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ SELECT 1 $$;\n"},
    {"up.sh": "#!/bin/sh\nset -e\npsql -c 'select pg_terminate_backend(pid) from pg_stat_activity'\n"},
    {"db/a.sql": "ALTER SYSTEM SET max_connections = 900;\n", "db/b.sql": "ALTER DATABASE app SET timezone = 'UTC';\n"},
    {"db/a.sql": "SET GLOBAL max_allowed_packet = 1;\n", "db/b.sql": "EXEC sp_configure 'xp_cmdshell', 1;\n"},
    {"db/a.sql": "CREATE EXTENSION plpython3u;\n", "db/b.sql": "CREATE EXTENSION IF NOT EXISTS timescaledb;\n"},
    {"db/a.sql": "GRANT pg_execute_server_program TO app;\n", "db/b.sql": "ALTER ROLE app BYPASSRLS;\n"},
    {"db/a.sql": "DROP SCHEMA app_new CASCADE;\n", "db/b.sql": "SELECT setval('t_id_seq', 1);\n"},
    {
        "db/a.sql": "SELECT compress_chunk(c) FROM show_chunks('t') c;\n",
        "db/b.sql": "UPDATE feature_flag SET enabled = true;\n",
    },
    {"db/a.sql": "CREATE MATERIALIZED VIEW v AS\nSELECT 1;\n"},
)
GOOD = (
    {"db/a.sql": "-- SET session_replication_role = replica;\nSET session_replication_role = DEFAULT;\n"},
    {"db/a.sql": "CREATE FUNCTION f() RETURNS void LANGUAGE sql SECURITY DEFINER\nSET search_path = a AS $$ SELECT 1 $$;\n"},
    {"db/a.sql": "CREATE SQL SECURITY DEFINER VIEW v AS SELECT 1;\nALTER ROLE app SET lock_timeout = '2s';\n"},
    {"db/a.sql": "CREATE EXTENSION IF NOT EXISTS citext;\nALTER ROLE app NOBYPASSRLS;\nGRANT pg_monitor TO probe;\n"},
    {"db/a.sql": "SELECT setval('t_id_seq', (SELECT max(id) FROM t));\nUPDATE t SET flag = 1 WHERE id = 3;\n"},
    {"db/a.sql": "CREATE MATERIALIZED VIEW v AS\nSELECT 1\nWITH NO DATA;\nDROP SCHEMA IF EXISTS tmp_import;\n"},
    {"x.deb!/usr/share/postgresql/15/extension/a--1.0--1.1.sql": "SELECT partition_data_id('t');\n"},
    {"opt/x/bin/tool": '#!/usr/bin/perl\nprint "ALTER SYSTEM RESET restore_command";\n'},
    {"README.md": "ALTER SYSTEM SET x = 1;\n", "tests/a.sql": "ALTER SYSTEM SET x = 1;\n"},
)
