"""SQL inside SQL, timeouts as a session carries them, shapes that cannot run."""

from __future__ import annotations

import pytest

from fulldress.formats.sql import Hazard, Session, hazards, script, script_hazards, statements

FUNCTION = "CREATE FUNCTION widen() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE t ALTER a TYPE bigint; END $$;\n"


def kinds(text: str, session: Session | None = None) -> set[str]:
    return {h.kind for h in script_hazards(script(text, session=session), {})}


def found(text: str, kind: str) -> list[Hazard]:
    return [h for h in hazards(text) if h.kind == kind]


@pytest.mark.parametrize(
    "text",
    [
        "DO $$ BEGIN ALTER TABLE t ALTER a TYPE bigint; END $$;",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE t ALTER a TYPE bigint'; END $$;",
        "DO $$ BEGIN EXECUTE format('ALTER TABLE %I ALTER %I TYPE bigint', 't', c); END $$;",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE ' || quote_ident(x) || ' ALTER a TYPE bigint'; END $$;",
        FUNCTION + "SELECT widen();",
        FUNCTION + "DO $$ BEGIN PERFORM widen(); END $$;",
        "CREATE PROCEDURE p() LANGUAGE sql AS 'ALTER TABLE t ALTER a TYPE bigint';\nCALL p();",
        "SELECT format('ALTER TABLE %I ALTER a TYPE bigint', relname) FROM pg_class \\gexec",
    ],
)
def test_a_rewrite_is_seen_wherever_it_hides(text: str) -> None:
    assert "table-rewrite" in kinds(text)


def test_a_function_of_another_script_is_followed() -> None:
    assert "table-rewrite" in kinds("SELECT widen();", Session(functions={"widen": FUNCTION}))
    assert "table-rewrite" not in kinds("SELECT widen();")


def test_functions_that_call_each_other_come_to_an_end() -> None:
    texts = {
        name: f"CREATE FUNCTION {name}() RETURNS int LANGUAGE sql AS 'SELECT {other}()'" for name, other in ("ab", "ba")
    }
    assert script("SELECT a();", session=Session(functions=texts)).statements


def test_text_put_together_from_very_many_pieces_is_hidden() -> None:
    pieces = " || ".join(["'x'"] * 3000)
    assert found(f"DO $$ BEGIN EXECUTE {pieces}; END $$;", "migration-hides-statements")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("DO $$ DECLARE q text; BEGIN EXECUTE q; END $$;", True),
        ("DO $$ DECLARE q text; BEGIN EXECUTE 'ALTER ' || q || ' TABLE ('; END $$;", True),
        ("SELECT ddl FROM jobs \\gexec", True),
        ("COPY t FROM PROGRAM 'x';", True),
        ("SELECT dblink_exec('a', 'b');", True),
        ("DO $$ BEGIN EXECUTE 'SELECT 1'; END $$;", False),
        ("SELECT setval('s', 1);", False),
    ],
)
def test_what_cannot_be_read_is_said(text: str, hidden: bool) -> None:
    assert bool(found(text, "migration-hides-statements")) == hidden


@pytest.mark.parametrize(
    ("text", "patience"),
    [
        ("SET lock_timeout = '2s'; DROP TABLE t;", 2000),
        ("SET lock_timeout = '2s'; RESET lock_timeout; DROP TABLE t;", 0),
        ("SET lock_timeout = '2s'; SET lock_timeout TO DEFAULT; DROP TABLE t;", 0),
        ("SET lock_timeout = '2s'; RESET ALL; DROP TABLE t;", 0),
        ("SET lock_timeout = '2s'; DISCARD ALL; DROP TABLE t;", 0),
        ("SET LOCAL lock_timeout = '2s'; DROP TABLE t;", 0),
        ("BEGIN; SET LOCAL lock_timeout = '2s'; DROP TABLE t; COMMIT;", 2000),
        ("BEGIN; SET LOCAL lock_timeout = '2s'; COMMIT; DROP TABLE t;", 0),
        ("BEGIN; SET lock_timeout = '2s'; ROLLBACK; DROP TABLE t;", 0),
        ("BEGIN; SET lock_timeout = '2s'; COMMIT; DROP TABLE t;", 2000),
        ("SELECT set_config('lock_timeout', '2s', false); DROP TABLE t;", 2000),
        ("SET statement_timeout = '3s'; DROP TABLE t;", 3000),
        ("SET statement_timeout = '3s'; SET lock_timeout = '5s'; DROP TABLE t;", 3000),
    ],
)
def test_how_long_a_statement_waits(text: str, patience: float) -> None:
    assert next(s for s in statements(text) if s.kind == "drop_stmt").patience_ms == patience


def test_a_session_begins_with_what_its_caller_set() -> None:
    session = Session(lock_timeout_ms=2000)
    assert "migration-without-lock-timeout" not in kinds("DROP TABLE t;", session)
    assert "concurrently-in-transaction" in kinds("CREATE INDEX CONCURRENTLY i ON t (a);", session)
    assert "migration-without-lock-timeout" in kinds("SET lock_timeout = 0; DROP TABLE t;", session)
    assert "migration-without-lock-timeout" not in kinds("SET lock_timeout = 0; RESET ALL; DROP TABLE t;", session)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("BEGIN; VACUUM t; COMMIT;", True),
        ("BEGIN; ANALYZE t; COMMIT;", False),
        ("VACUUM t;", False),
        ("BEGIN; CREATE DATABASE x; COMMIT;", True),
        ("BEGIN; BEGIN; COMMIT;", True),
        ("BEGIN; SELECT 1;", True),
        ("COMMIT;", True),
        ("BEGIN; COMMIT AND CHAIN; COMMIT;", False),
        ("BEGIN; ROLLBACK;", False),
        ("ALTER TABLE t ADD a int NOT NULL;", True),
        ("ALTER TABLE t ADD a serial NOT NULL;", False),
        ("ALTER TABLE t ADD a int GENERATED ALWAYS AS IDENTITY NOT NULL;", False),
        ("DELETE FROM t; ALTER TABLE t ADD a int NOT NULL;", False),
        ("DELETE FROM t; ALTER TABLE t RENAME TO u; ALTER TABLE u ADD a int NOT NULL;", False),
        ("DELETE FROM t; INSERT INTO t VALUES (1); ALTER TABLE t ADD a int NOT NULL;", True),
        ("BEGIN; ALTER TYPE m ADD VALUE 'c'; UPDATE t SET a = 'c' WHERE id = 1; COMMIT;", True),
        ("BEGIN; ALTER TYPE m ADD VALUE 'c'; COMMIT; UPDATE t SET a = 'c' WHERE id = 1;", False),
    ],
)
def test_what_cannot_run(text: str, refused: bool) -> None:
    assert bool(found(text, "migration-cannot-run")) == refused


def test_rows_that_are_counted_decide_about_a_required_column() -> None:
    text = "SET lock_timeout = '1s'; ALTER TABLE t ADD a int NOT NULL;"
    assert [h.kind for h in hazards(text, {"public.t": 0})] == []
    assert [h.kind for h in hazards(text, {"public.t": 5})] == ["migration-cannot-run"]


@pytest.mark.machine
@pytest.mark.parametrize(
    ("base", "text"),
    [
        ("CREATE TABLE t (a int); INSERT INTO t VALUES (1);", "ALTER TABLE t ADD b int NOT NULL;"),
        ("CREATE TYPE m AS ENUM ('a');", "BEGIN; ALTER TYPE m ADD VALUE 'c'; SELECT 'c'::m; COMMIT;"),
        ("CREATE TABLE t (a int);", "BEGIN; VACUUM t; COMMIT;"),
        ("CREATE TABLE t (a int);", "BEGIN; CREATE INDEX CONCURRENTLY i ON t (a); COMMIT;"),
        ("SELECT 1;", "BEGIN; REINDEX SCHEMA public; COMMIT;"),
    ],
)
def test_the_server_refuses_it_too(server, base: str, text: str) -> None:
    assert {"migration-cannot-run", "concurrently-in-transaction"} & kinds(text)
    server.make("fd_sql_refused", base)
    try:
        with pytest.raises(AssertionError):
            server.sql("fd_sql_refused", text)
    finally:
        server.drop("fd_sql_refused")


@pytest.mark.parametrize(
    ("made", "table"),
    [
        ("format('ALTER TABLE %I ALTER a TYPE bigint', 'orders')", "orders"),
        ("format('ALTER TABLE %2$I.%1$I ALTER a TYPE bigint', 'orders', 'lab')", "lab.orders"),
        ("format('ALTER TABLE %I ALTER a TYPE bigint', c)", "fd_run_time"),
        ("'ALTER TABLE ' || quote_ident('orders') || ' ALTER a TYPE bigint'", "orders"),
    ],
)
def test_literals_are_filled_into_a_format(made: str, table: str) -> None:
    text = f"DO $$ BEGIN EXECUTE {made}; END $$;"
    assert [h.relation for h in found(text, "table-rewrite")] == [table]


def test_a_function_that_was_read_is_not_called_unreadable() -> None:
    assert "migration-hides-statements" not in kinds(FUNCTION + "SELECT widen();")
    assert "migration-hides-statements" in kinds("SELECT widen();")
