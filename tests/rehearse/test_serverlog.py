"""The server's own word on a real PostgreSQL: waits and schema changes are read, and nothing of ours stays behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.rehearse.serverlog import SCHEMA, ServerLog

pytestmark = pytest.mark.machine


def sql(machine: Machine, text: str, database: str = "spoken") -> str:
    done = machine.run(["psql", "-XqAt", "-d", database], stdin=text.encode(), user="postgres")
    assert done.ok, done.stderr
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def spoken(pg_machine: Machine) -> Machine:
    sql(pg_machine, "DROP DATABASE IF EXISTS spoken WITH (FORCE)", "postgres")
    sql(pg_machine, "CREATE DATABASE spoken", "postgres")
    sql(pg_machine, "CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 1000) g")
    return pg_machine


def test_a_wait_and_the_change_behind_it_are_told_with_statement_and_lock(spoken: Machine) -> None:
    relation = int(sql(spoken, "SELECT 't'::regclass::oid::int"))
    with ServerLog(spoken, "spoken") as log:
        reader = threading.Thread(target=sql, args=(spoken, "BEGIN; SELECT 1 FROM t LIMIT 1; SELECT pg_sleep(1); COMMIT"))
        reader.start()
        time.sleep(0.4)
        before = time.time()
        sql(spoken, "ALTER TABLE t ADD extra int")
        reader.join()
    (wait,) = [wait for wait in log.waits if wait.relation == relation]
    assert (wait.mode, wait.granted, wait.statement) == ("AccessExclusive", True, "ALTER TABLE t ADD extra int")
    assert 0.1 < wait.waited < 1.1
    assert abs(wait.at - before) < 0.3
    (change,) = [change for change in log.changes if change.tag == "ALTER TABLE"]
    assert (relation, "AccessExclusive") in change.locks
    assert "waits over 10 ms and every schema change" in log.note


def test_nothing_stays_behind(spoken: Machine) -> None:
    with ServerLog(spoken, "spoken"):
        assert sql(spoken, "SHOW deadlock_timeout") == "10ms"
    assert sql(spoken, f"SELECT count(*) FROM pg_namespace WHERE nspname = '{SCHEMA}'") == "0"
    assert sql(spoken, "SELECT count(*) FROM pg_event_trigger") == "0"
    time.sleep(0.2)
    assert sql(spoken, "SHOW deadlock_timeout") == "1s"


def set_by_production(machine: Machine) -> str:
    """What ALTER SYSTEM has set, and how it lies in the file."""
    return sql(machine, "SELECT pg_read_file('postgresql.auto.conf')")


@pytest.fixture
def own_settings(spoken: Machine) -> Iterator[str]:
    sql(spoken, r"ALTER SYSTEM SET log_line_prefix = 'it''s \m %m : ''%p'' '; ALTER SYSTEM SET deadlock_timeout = '3s'")
    sql(spoken, "ALTER SYSTEM SET work_mem = '5MB'; SELECT pg_reload_conf()")
    yield set_by_production(spoken)
    sql(spoken, "ALTER SYSTEM RESET ALL")
    sql(spoken, "SELECT pg_reload_conf()")


def test_what_production_had_set_itself_comes_back(spoken: Machine, own_settings: str) -> None:
    with ServerLog(spoken, "spoken") as log:
        assert sql(spoken, "SHOW deadlock_timeout") == "10ms"
    assert sorted(set_by_production(spoken).splitlines()) == sorted(own_settings.splitlines())
    assert "put back" not in log.note
    time.sleep(0.2)
    assert sql(spoken, "SHOW log_line_prefix") == r"it's \m %m : '%p'"
    assert sql(spoken, "SHOW deadlock_timeout") == "3s"


def test_what_a_plan_sets_meanwhile_stays(spoken: Machine, own_settings: str) -> None:
    with ServerLog(spoken, "spoken"):
        sql(spoken, "ALTER SYSTEM SET deadlock_timeout = '7s'")
        sql(spoken, "ALTER SYSTEM SET maintenance_work_mem = '99MB'")
    after = set_by_production(spoken)
    assert "deadlock_timeout = '7s'" in after
    assert "maintenance_work_mem = '99MB'" in after
    assert "lc_messages" not in after
    assert next(line for line in own_settings.splitlines() if "prefix" in line) in after


def test_without_a_database_nothing_is_done(spoken: Machine) -> None:
    with ServerLog(spoken, "") as log:
        pass
    assert (log.waits, log.changes) == ([], [])
    assert "no database" in log.note


def test_a_database_that_is_not_there_is_said(spoken: Machine) -> None:
    with ServerLog(spoken, "absent") as log:
        pass
    assert "was not read" in log.note
