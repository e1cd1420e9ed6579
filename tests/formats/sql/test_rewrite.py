"""What the rewriter leaves alone, what it says about it, and the way back where there is none."""

from __future__ import annotations

import pytest

from fulldress.formats.sql import MUTEX, derive_down, has_mutex, hazards, online_rewrite

LARGE = {"public.t": 200_000}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT 1;",
        "CREATE TABLE t (a int); CREATE INDEX i ON t (a); ALTER TABLE t ADD CHECK (a > 0);",
        "SET lock_timeout = '2s'; ALTER TABLE t ADD COLUMN a int DEFAULT 5;",
        "INSERT INTO t VALUES (1);",
        "UPDATE t SET a = 1 WHERE id = 7;",
    ],
)
def test_harmless_stays(text: str) -> None:
    assert online_rewrite(text, rows=LARGE) is None


@pytest.mark.parametrize(
    "text",
    ["BEGIN; DROP TABLE t;", "DROP TABL t; DROP TABLE t;", "BEGIN; SAVEPOINT a; DROP TABLE t; ROLLBACK TO a; COMMIT;"],
)
def test_not_understood_is_not_touched(text: str) -> None:
    """An open transaction, unreadable SQL, savepoints: hazards are reported, nothing is rewritten."""
    assert hazards(text, LARGE)
    assert online_rewrite(text, rows=LARGE) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ALTER TABLE t ALTER COLUMN a TYPE bigint;", "no online form"),
        ("ALTER TABLE t ADD COLUMN a bigint GENERATED ALWAYS AS IDENTITY;", "no online form"),
        ("ALTER TABLE t ADD CONSTRAINT x EXCLUDE (a WITH =);", "no online form"),
        ("VACUUM FULL t;", "no online form"),
        ("UPDATE t SET a = a + 1;", "cannot be cut into batches"),
        ("UPDATE t SET token = gen_random_uuid();", "cannot be cut into batches"),
        ("DELETE FROM t;", "cannot be cut into batches"),
        ("ALTER TABLE t ADD COLUMN a int; INSERT INTO other VALUES (1);", "runs again"),
        ("\\i other.sql\nDROP TABLE t;", "nobody looked into"),
        ("DO $$ BEGIN PERFORM f(); END $$; DROP TABLE t;", "DO block"),
    ],
)
def test_what_has_no_online_form_is_named(text: str, why: str) -> None:
    made = online_rewrite(text, rows=LARGE)
    assert made is not None
    assert len(made.left) == 1
    assert why in made.left[0]
    assert made.left[0].startswith("line ")
    assert not {"migration-without-lock-timeout", "concurrently-in-transaction"} & {
        h.kind for h in hazards(made.text, LARGE)
    }


def test_small_tables_are_indexed_plainly() -> None:
    text = "CREATE INDEX i ON t (a);"
    small = online_rewrite(text, rows={"public.t": 12})
    large = online_rewrite(text, rows=LARGE)
    assert small is not None and "CONCURRENTLY" not in small.text
    assert large is not None and "CREATE INDEX CONCURRENTLY IF NOT EXISTS i" in large.text


def test_version_row_is_kept_and_comes_last() -> None:
    made = online_rewrite("INSERT INTO schema_migrations (version) VALUES ('7'); DROP INDEX i;", rows={})
    assert made is not None
    assert "ON CONFLICT DO NOTHING" in made.text
    assert "WHERE version = '7') AS fd_done" in made.text
    assert made.text.index("DROP INDEX") < made.text.index("INSERT INTO")
    first = online_rewrite(
        "CREATE TABLE schema_migrations (version text); INSERT INTO schema_migrations (version) VALUES (1);DROP INDEX i;",
        rows={},
    )
    assert first is not None and "fd_done" not in first.text


def test_body_with_the_same_dollar_quote() -> None:
    text = "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (new.a <> $fd$x$fd$) EXECUTE FUNCTION f();"
    made = online_rewrite(text, rows=LARGE)
    assert made is not None
    assert "DO $fdx$" in made.text
    assert hazards(made.text, LARGE) == []


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE t;",
        "ALTER TABLE t DROP COLUMN a;",
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT 5;",
        "ALTER TABLE t ALTER COLUMN a TYPE text;",
        "UPDATE t SET a = 1;",
        "DELETE FROM t WHERE id = 1;",
        "INSERT INTO t VALUES (1);",
        "CREATE OR REPLACE VIEW v AS SELECT 1;",
        "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "ALTER TYPE mood ADD VALUE 'c';",
        "TRUNCATE t;",
        "COPY t FROM '/x';",
        "\\i other.sql",
        "SELEC 1;",
        "SELECT 1;",
    ],
)
def test_no_way_back_is_derived_when_something_would_be_lost(text: str) -> None:
    assert derive_down(text) is None


def test_what_came_and_went_needs_no_way_back() -> None:
    down = derive_down(
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0); ALTER TABLE t DROP CONSTRAINT c; CREATE TABLE n (a int);"
    )
    assert down is not None
    assert "DROP TABLE IF EXISTS n" in down
    assert "CONSTRAINT" not in down


def test_rename_goes_back() -> None:
    down = derive_down("ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t RENAME TO u;")
    assert down is not None
    assert down.index("ALTER TABLE u RENAME TO t") < down.index("RENAME COLUMN b TO a")


def test_mutex_is_recognised() -> None:
    assert has_mutex(MUTEX)
    assert has_mutex("SELECT pg_advisory_lock(1);")
    assert has_mutex("LOCK TABLE schema_migrations IN EXCLUSIVE MODE;")
    assert not has_mutex("-- pg_advisory_lock(1)\nSELECT 1;")


def test_a_lock_is_left_out_with_its_transaction() -> None:
    made = online_rewrite("BEGIN;\nLOCK TABLE t;\nALTER TABLE t ADD CHECK (a > 0);\nCOMMIT;\n", rows={})
    assert made is not None
    assert "LOCK TABLE t" not in made.text
    assert any("LOCK TABLE is left out" in change for change in made.changes)


def test_a_role_with_a_password_stays_outside_quotes() -> None:
    made = online_rewrite("CREATE USER app PASSWORD 'x';\nCREATE INDEX i ON t (a);\n", rows={})
    assert made is not None
    assert "CREATE USER app' WHERE NOT EXISTS" in made.text
    assert "\nALTER ROLE app PASSWORD 'x';" in made.text
