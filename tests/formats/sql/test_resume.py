"""An online migration that is killed, or refused its lock, on a real PostgreSQL."""

from __future__ import annotations

import subprocess
import threading
import time

import pytest

from fulldress.formats.sql import MUTEX, derive_down, online_rewrite

BASE = """
CREATE TABLE schema_migrations (version text PRIMARY KEY);
CREATE TABLE result (id bigint PRIMARY KEY, status text NOT NULL);
INSERT INTO result SELECT g, 'entered' FROM generate_series(1, 60000) g;
"""
MIGRATION = """BEGIN;
ALTER TABLE result ADD COLUMN public_id uuid DEFAULT gen_random_uuid() NOT NULL;
CREATE UNIQUE INDEX result_public_id_key ON result (public_id);
INSERT INTO schema_migrations (version) VALUES ('0051');
COMMIT;"""


def rewritten(text: str) -> str:
    made = online_rewrite(text, rows={})
    assert made is not None
    return MUTEX + made.text


@pytest.mark.machine
def test_killed_anywhere_then_run_again(server) -> None:
    """Killed after more and more of its time, the online form always finishes when it is run again; so does its undo."""
    sql, down = rewritten(MIGRATION), derive_down(MIGRATION)
    assert down is not None
    server.make("fd_sql_kill", BASE)
    try:
        before = server.schema("fd_sql_kill")
        server.copy("fd_sql_kill", "fd_sql_plain")
        server.sql("fd_sql_plain", MIGRATION)
        after = server.schema("fd_sql_plain")
        interrupted = 0
        for script, end in [(sql, after), (down, before)]:
            for delay in (0.1, 0.2, 0.3, 0.5):
                interrupted += killed(server, script, delay)
            server.sql("fd_sql_kill", script)
            assert server.schema("fd_sql_kill") == end
        assert interrupted >= 2
        assert server.sql("fd_sql_kill", "SELECT count(*) FROM schema_migrations").strip() == "0"
    finally:
        server.drop("fd_sql_kill", "fd_sql_plain")


def killed(server, script: str, delay: float) -> bool:
    """Starts the script and terminates its backend; True when that really cut it short."""
    argv = server.argv("psql", "-XqAt", "-d", "fd_sql_kill", "-f", "-")
    done = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, user="postgres", cwd="/")
    assert done.stdin is not None
    done.stdin.write(script)
    done.stdin.close()
    time.sleep(delay)
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'fd_sql_kill'")
    return done.wait(30) != 0


@pytest.mark.machine
def test_invalid_index_is_repaired(server) -> None:
    """What an interrupted CREATE INDEX CONCURRENTLY left behind is not taken for done."""
    server.make("fd_sql_invalid", BASE)
    try:
        spoil = "INSERT INTO result VALUES (0, 'twice'), (-1, 'twice');"
        server.sql("fd_sql_invalid", f"DELETE FROM result WHERE id > 1; {spoil}")
        argv = server.argv(
            "psql", "-Xqc", "CREATE UNIQUE INDEX CONCURRENTLY once ON result (status)", "-d", "fd_sql_invalid"
        )
        assert subprocess.run(argv, user="postgres", cwd="/", stderr=subprocess.DEVNULL, check=False).returncode != 0
        server.sql("fd_sql_invalid", "DELETE FROM result WHERE id = 0")
        server.sql("fd_sql_invalid", rewritten("CREATE UNIQUE INDEX once ON result (status);"))
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'once'::regclass"
        assert server.sql("fd_sql_invalid", valid).strip() == "t"
    finally:
        server.drop("fd_sql_invalid")


@pytest.mark.machine
def test_refused_lock_is_tried_again(server) -> None:
    """Someone keeps a lock for three seconds: the migration waits in short tries, and readers hardly notice it."""
    psycopg = pytest.importorskip("psycopg")
    server.make("fd_sql_lock", BASE)
    conninfo = f"host={server.home} port=5599 user=postgres dbname=fd_sql_lock"
    worst = 0.0
    try:
        with psycopg.connect(conninfo) as holder, psycopg.connect(conninfo, autocommit=True) as reader:
            holder.execute("SELECT count(*) FROM result")
            job = threading.Thread(target=lambda: server.sql("fd_sql_lock", rewritten(MIGRATION)))
            job.start()
            end = time.monotonic() + 3
            while time.monotonic() < end:
                begun = time.monotonic()
                reader.execute("SELECT 1 FROM result WHERE id = 7")
                worst = max(worst, time.monotonic() - begun)
                time.sleep(0.01)
            columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'result'::regclass AND attname = 'public_id'"
            assert reader.execute(columns).fetchone() == (0,)
            holder.commit()
            job.join(60)
            assert reader.execute(columns).fetchone() == (1,)
        assert worst < 2.0
    finally:
        server.drop("fd_sql_lock")


@pytest.mark.machine
def test_one_at_a_time(server) -> None:
    """Two runs at once: the second waits for the first and then finds nothing to do."""
    server.make("fd_sql_twice", BASE)
    try:
        runs = [threading.Thread(target=lambda: server.sql("fd_sql_twice", rewritten(MIGRATION))) for _ in range(2)]
        for run in runs:
            run.start()
        for run in runs:
            run.join(60)
            assert not run.is_alive()
        assert server.sql("fd_sql_twice", "SELECT count(*), count(DISTINCT public_id) FROM result").strip() == "60000|60000"
    finally:
        server.drop("fd_sql_twice")
