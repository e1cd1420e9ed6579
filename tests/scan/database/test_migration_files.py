"""What is a migration of an existing database, what is not, who runs it, and what has run already."""

from __future__ import annotations

import pytest

from fulldress.model.estate import DatabaseFacts, Estate, HostFacts, MigrationState
from fulldress.model.finding import Finding
from fulldress.scan.database.migration_files import dialect, foreign, natural, role, sources, stem, version_of
from fulldress.scan.database.migration_runs import role_timeout, tool_runs
from fulldress.scan.database.migrations import migrations
from fulldress.scan.rule import Sample
from fulldress.scan.samples import context_of
from fulldress.scan.sweep import load_rules, sweep

RULES = [rule for rule in load_rules() if rule.META.family == "migration"]
DJANGO = "# migrations.Migration\nclass M:\n operations = [migrations.RunSQL('DROP TABLE a')]\n"
HEAVY = "SET lock_timeout = '1s';\nALTER TABLE t ALTER a TYPE bigint;\n"


def findings(files: dict[str, str | bytes], estate: Estate | None = None) -> list[Finding]:
    return sweep(context_of(Sample(files=files, estate=estate)), RULES).findings


def estate(**facts: object) -> Estate:
    database = DatabaseFacts(name="app", server_version="15", **facts)  # type: ignore[arg-type]
    host = HostFacts(name="h", hostname="h", os="debian", os_version="12", databases=(database,))
    return Estate(taken="2026-10-01T00:00:00Z", hosts=(host,))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("migrations/0051_x.sql", "migration"),
        ("db/V2__x.sql", "migration"),
        ("sql/upgrade-4-to-5.sql", "migration"),
        ("opt/app/sql/patches/fix.sql", "migration"),
        ("sql/17.sql", "migration"),
        ("sql/things.sql", "possible"),
        ("sql/schema.sql", "fresh"),
        ("sql/create_tables.sql", "fresh"),
        ("docker-entrypoint-initdb.d/a.sql", "fresh"),
        ("migrations/0051_x.down.sql", "down"),
        ("db/U2__x.sql", "down"),
        ("usr/share/postgresql/15/extension/pg_partman--1.0--1.1.sql", "other"),
        ("lib/hstore--1.4.sql", "other"),
        ("tests/migrations/1.sql", "other"),
        ("app/fixtures/1.sql", "other"),
        ("examples/migrations/1.sql", "other"),
        ("usr/share/doc/app/1.sql", "other"),
        ("usr/lib/python3/dist-packages/x/migrations/1.sql", "other"),
        ("share/mysql/mysql_system_tables.sql", "foreign"),
        ("db/sqlite/1.sql", "foreign"),
    ],
)
def test_what_a_file_is(place: str, expected: str) -> None:
    assert role(place, HEAVY) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE TABLE `t` (a int AUTO_INCREMENT) ENGINE=InnoDB;", "MySQL"),
        ("ALTER TABLE `t` MODIFY a bigint;", "MySQL"),
        ("SET NAMES utf8;\nUSE app;\n", "MySQL"),
        ("PRAGMA foreign_keys=off;\nCREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT);", "SQLite"),
        ("ALTER TABLE [dbo].[t] ADD a NVARCHAR(5)\nGO\n", "SQL Server"),
        ("CREATE TABLE t (a NUMBER(5), b VARCHAR2(9));", "Oracle"),
        ("ALTER TABLE t ADD COLUMN a numeric(5), ADD COLUMN b text;", ""),
        ("COMMENT ON TABLE t IS 'an ENGINE = of growth';", ""),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;", ""),
    ],
)
def test_whose_dialect_it_is(text: str, expected: str) -> None:
    assert dialect("migrations/1.sql", text) == expected


def test_dumps_are_no_migrations() -> None:
    assert role("migrations/1.sql", "--\n-- PostgreSQL database dump\n--\nALTER TABLE t OWNER TO x;") == "other"


def test_other_databases_are_named_once() -> None:
    files: dict[str, str | bytes] = {f"mysql/{n}.sql": "ALTER TABLE `t` MODIFY a bigint;\n" for n in range(9)}
    assert len(foreign(context_of(Sample(files=files)))) == 9
    found = findings(files)
    assert [(f.rule, f.severity) for f in found] == [("other-database-stops", "medium"), ("migration-unreadable", "info")]
    assert "MySQL" in found[1].title and "lock analysis not made" in found[1].title
    assert found[0].place == "mysql/8.sql" and found[0].title.startswith("9 scripts of MySQL")


def test_changelogs_of_liquibase_lie_anywhere_in_any_of_three_forms() -> None:
    change = '{"dropColumn": {"tableName": "a", "columnName": "b"}}'
    body = f'{{"databaseChangeLog": [{{"changeSet": {{"id": "1", "changes": [{change}]}}}}]}}'
    xml = "<databaseChangeLog><changeSet id='1'><createIndex tableName='t' indexName='i'><column name='a'/></createIndex>"
    files: dict[str, str | bytes] = {
        "db/7.4/x.xml": xml + "</changeSet></databaseChangeLog>",
        "db/7.4/y.json": body,
        "db/z.xml": "<project/>",
    }
    found = {(s.entry.place, s.tool) for s in sources(context_of(Sample(files=files)))}
    assert found == {("db/7.4/x.xml", "Liquibase"), ("db/7.4/y.json", "Liquibase")}


def test_what_a_program_does_besides_sql_is_said() -> None:
    text = "from django.db import migrations\nclass M(migrations.Migration):\n  operations = [migrations.RunPython(f)]\n"
    found = findings({"app/migrations/0042_x.py": text})
    assert [(f.rule, f.line) for f in found] == [("migration-hides-statements", 3)]


def test_order_and_versions() -> None:
    places = ["m/10_b.sql", "m/9_a.sql", "m/V1.10__x.sql", "m/V1.9__x.sql"]
    assert sorted(places, key=natural) == ["m/9_a.sql", "m/10_b.sql", "m/V1.9__x.sql", "m/V1.10__x.sql"]
    assert version_of("m/V1.10__x.sql") == (1, 10)
    assert version_of("m/0051_x.sql") == (51,)
    assert version_of("m/x.sql") == ()
    assert stem("m/7_x.down.sql") == stem("m/7_x.up.sql")


def test_what_only_may_be_a_migration_is_never_worse_than_medium() -> None:
    assert [(f.rule, f.severity) for f in findings({"sql/things.sql": HEAVY})] == [("table-rewrite", "medium")]
    assert findings({"migrations/1.sql": HEAVY})[0].severity == "critical"


def test_migrations_in_a_folder_of_libraries_are_told_and_low() -> None:
    place = "usr/lib/python3/dist-packages/lims/migrations/0002_x.py"
    assert [(f.rule, f.severity, f.place) for f in findings({place: DJANGO})] == [
        ("migration-without-lock-timeout", "low", place)
    ]


def test_a_file_that_a_script_runs_is_one() -> None:
    files: dict[str, str | bytes] = {"sql/things.sql": HEAVY, "run.sh": "#!/bin/sh\npsql -d app -f sql/things.sql\n"}
    assert ("table-rewrite", "critical") in {(f.rule, f.severity) for f in findings(files)}


def test_a_whole_history_is_one_finding() -> None:
    files: dict[str, str | bytes] = {f"migrations/{n}.sql": HEAVY.replace("ALTER a", f"ALTER a{n}") for n in range(2, 9)}
    files["migrations/1.sql"] = "CREATE TABLE t (a int);\n"
    found = [f for f in findings(files) if f.rule == "table-rewrite"]
    assert [(f.severity, f.place, f.curable) for f in found] == [("medium", "migrations/8.sql", False)]
    assert "7 of 8 migrations in migrations" in found[0].title


def test_tables_that_the_estate_has_are_no_history() -> None:
    files: dict[str, str | bytes] = {"migrations/1.sql": "CREATE TABLE t (a int);\n", "migrations/2.sql": HEAVY}
    counted = estate(tables={"public.t": 1_000_000})
    assert ("table-rewrite", "critical") in {(f.rule, f.severity) for f in findings(files, counted)}
    without = estate(tables={"public.other": 1_000_000})
    assert "table-rewrite" not in {f.rule for f in findings(files, without)}


@pytest.mark.parametrize(
    ("files", "facts", "left"),
    [
        ({"migrations/0050.sql": HEAVY, "migrations/0051.sql": HEAVY}, {"schema_version": "0050"}, ["migrations/0051.sql"]),
        (
            {"db/V1__a.sql": HEAVY, "db/V2__b.sql": HEAVY},
            {"migrations": (MigrationState(tool="flyway", table="flyway_schema_history", version="1"),)},
            ["db/V2__b.sql"],
        ),
        (
            {"m/1_a/migration.sql": HEAVY, "m/2_b/migration.sql": HEAVY},
            {"migrations": (MigrationState(tool="prisma", table="_prisma_migrations", version="1_a"),)},
            ["m/2_b/migration.sql"],
        ),
        (
            {
                "app/migrations/0001_x.py": DJANGO,
                "app/migrations/0002_y.py": DJANGO,
            },
            {"migrations": (MigrationState(tool="django", table="django_migrations", version="app.0001_x,auth.0012"),)},
            ["app/migrations/0002_y.py"],
        ),
        (
            {
                "alembic/versions/b.py": "from alembic import op\nrevision = 'bb'\ndown_revision = None\n"
                "def upgrade():\n    op.drop_table('x')\n",
                "alembic/versions/a.py": "from alembic import op\nrevision = 'aa'\ndown_revision = 'bb'\n"
                "def upgrade():\n    op.drop_table('y')\n",
            },
            {"migrations": (MigrationState(tool="alembic", table="alembic_version", version="bb"),)},
            ["alembic/versions/a.py"],
        ),
    ],
)
def test_what_has_run_is_not_judged_again(files: dict[str, str], facts: dict[str, object], left: list[str]) -> None:
    context = context_of(Sample(files=dict(files), estate=estate(**facts)))
    assert [m.entry.place for m in migrations(context)] == left


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\nPGOPTIONS='-c lock_timeout=2s' psql -d app -f migrations/1.sql\n",
        '#!/bin/sh\nexport PGOPTIONS="-c lock_timeout=2000"\npsql -d app -f migrations/1.sql\n',
    ],
)
def test_a_lock_timeout_by_the_caller_counts(script: str) -> None:
    files: dict[str, str | bytes] = {"run.sh": script, "migrations/1.sql": "ALTER TABLE t ADD a int;\n"}
    assert "migration-without-lock-timeout" not in {f.rule for f in findings(files)}
    bare: dict[str, str | bytes] = {**files, "run.sh": "#!/bin/sh\npsql -d app -f migrations/1.sql\n"}
    assert "migration-without-lock-timeout" in {f.rule for f in findings(bare)}


def test_a_lock_timeout_of_the_role_counts() -> None:
    files: dict[str, str | bytes] = {
        "migrations/1.sql": "ALTER ROLE app SET lock_timeout = '2s';\n",
        "migrations/2.sql": "ALTER TABLE t ADD a int;\n",
    }
    assert role_timeout(context_of(Sample(files=files))) == 2000
    assert "migration-without-lock-timeout" not in {f.rule for f in findings(files)}


def test_psql_in_one_transaction_opens_it() -> None:
    files: dict[str, str | bytes] = {
        "run.sh": "#!/bin/sh\npsql -1 -d app -f migrations/1.sql\n",
        "migrations/1.sql": "CREATE INDEX CONCURRENTLY i ON t (a);\n",
    }
    assert "concurrently-in-transaction" in {f.rule for f in findings(files)}


def test_a_function_of_another_file_is_followed() -> None:
    files: dict[str, str | bytes] = {
        "sql/functions.sql": "CREATE FUNCTION grow() RETURNS void LANGUAGE sql AS 'ALTER TABLE t ALTER a TYPE bigint';\n",
        "migrations/1.sql": "SET lock_timeout = '1s';\nSELECT grow();\n",
    }
    assert "table-rewrite" in {f.rule for f in findings(files)}


def test_other_tools_files_are_not_rewritten_for_psql() -> None:
    """The online form speaks psql's language; a migration tool would choke on it."""
    found = findings({"db/migration/V1__x.sql": HEAVY})
    assert [(f.rule, f.curable) for f in found] == [("table-rewrite", False)]
    assert "Flyway" in found[0].fix


@pytest.mark.parametrize(
    ("place", "line", "tool"),
    [
        ("run.sh", "alembic -c x.ini upgrade head", "Alembic"),
        ("run.sh", "python3 manage.py migrate --noinput", "Django"),
        ("run.sh", "bundle exec rails db:migrate", "Rails"),
        ("run.sh", "flyway -url=$URL migrate", "Flyway"),
        ("run.sh", "migrate -path db -database $URL up", "golang-migrate"),
        ("docker-compose.yml", '    command: ["npx", "prisma", "migrate", "deploy"]', "Prisma"),
        ("app.service", "ExecStartPre=/opt/app/node_modules/.bin/knex migrate:latest", "knex"),
        ("run.sh", "npm run typeorm -- migration:run", "TypeORM"),
        ("run.sh", "# alembic upgrade head", ""),
        ("run.sh", "echo alembic upgrade head", ""),
        ("README.md", "alembic upgrade head", ""),
        ("docs/x.sh", "alembic upgrade head", ""),
    ],
)
def test_which_tool_a_line_starts(place: str, line: str, tool: str) -> None:
    context = context_of(Sample(files={place: f"#!/bin/sh\n{line}\n"}))
    assert [run.tool.name for run in tool_runs(context)] == ([tool] if tool else [])


def test_unreadable_text_is_no_trouble() -> None:
    files: dict[str, str | bytes] = {
        "migrations/1.sql": b"\xff\xfe\0\0ALTER",
        "migrations/2.sql": "(" * 20_000,
        "migrations/3.sql": "$$" + "x" * 100_000,
        "alembic/versions/1.py": "from alembic import op\ndef upgrade(:\n",
        "db/changelog.xml": "<databaseChangeLog><changeSet>",
    }
    assert not [f for f in findings(files) if f.rule == "rule-raised"]
    assert {s.entry.place for s in sources(context_of(Sample(files=files)))} == {"migrations/2.sql", "migrations/3.sql"}
