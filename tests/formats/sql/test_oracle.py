"""What the lock oracle cannot name, asked from a second session while the first is still open."""

from __future__ import annotations

import threading
import time

import pytest

from fulldress.formats.sql import Catalogue, lock_effects, statements

BASE = """
CREATE TABLE parent (id bigint PRIMARY KEY);
CREATE TABLE child (id bigint PRIMARY KEY, parent_id bigint REFERENCES parent);
CREATE TABLE event (day date) PARTITION BY RANGE (day);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE event_rest PARTITION OF event DEFAULT;
CREATE VIEW shown AS SELECT id FROM parent;
CREATE DOMAIN positive AS int;
CREATE TABLE amount (n positive);
INSERT INTO parent VALUES (1), (2);
"""
SENT = (
    "ALTER TABLE parent RENAME TO ancestor",
    "DROP TABLE child",
    "DROP TABLE event_1",
    "DROP VIEW shown",
    "ALTER DOMAIN positive SET NOT NULL",
    "DELETE FROM parent WHERE id = 1",
    "INSERT INTO child VALUES (1, 2)",
    "ALTER TABLE child DISABLE TRIGGER ALL",
)
LOCKED = """SELECT relation::regclass || ' ' || replace(mode, 'Lock', '') FROM pg_locks JOIN pg_class c ON c.oid = relation
WHERE locktype = 'relation' AND relation >= 16384 AND pid <> pg_backend_pid() AND relkind IN ('r', 'p', 'v') AND granted"""


@pytest.fixture(scope="module")
def base(server: object) -> object:
    server.make("fd_sql_oracle", BASE)  # type: ignore[attr-defined]
    yield server
    server.drop("fd_sql_oracle")  # type: ignore[attr-defined]


@pytest.mark.machine
@pytest.mark.parametrize("text", SENT)
def test_locks_as_a_second_session_sees_them(base, text: str) -> None:
    known = Catalogue(statements(BASE))
    known.settle()
    ours = lock_effects(statements(text), known)[0].locks
    held = threading.Thread(
        target=base.run,
        args=("psql", "-Xq", "-d", "fd_sql_oracle", "-c", f"BEGIN; {text}; SELECT pg_sleep(0.4); ROLLBACK"),
    )
    held.start()
    seen: set[str] = set()
    deadline = time.monotonic() + 5
    while held.is_alive() and time.monotonic() < deadline and not seen:
        seen = set(base.sql("fd_sql_oracle", LOCKED).splitlines())
        time.sleep(0.02)
    time.sleep(0.05)
    seen = set(base.sql("fd_sql_oracle", LOCKED).splitlines()) or seen
    held.join()
    strongest: dict[str, list[str]] = {}
    for line in seen:
        name, mode = line.split(" ")
        strongest.setdefault(name, []).append(mode)
    assert set(strongest) >= set(ours)
    assert all(mode in strongest[name] for name, mode in ours.items())


@pytest.mark.machine
def test_a_statement_timeout_ends_the_wait_for_a_lock(base) -> None:
    """Therefore a short statement_timeout counts as a bound of the wait."""
    import psycopg

    address = f"host={base.home} port=5599 user=postgres dbname=fd_sql_oracle"
    with psycopg.connect(address) as holder, psycopg.connect(address, autocommit=True) as waiter:
        holder.execute("SELECT * FROM parent")
        waiter.execute("SET statement_timeout = '300ms'")
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            waiter.execute("ALTER TABLE parent ADD COLUMN note text")
        assert time.monotonic() - begun < 30, "it would have waited for ever"
