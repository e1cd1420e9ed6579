"""The lock trace on a real PostgreSQL: both methods see what lasts, by whom, and who queued."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.model.rehearsal import LockHold
from fulldress.ports import Completed
from fulldress.rehearse.locks import LockTrace, LockTraceFailed
from fulldress.rehearse.uprobes import TRACEFS, LockProbes, ProbesUnavailable, sweep

Method = Literal["probes", "sampler"]
LONG = 0.3


def sql(machine: Machine, text: str, database: str = "locked") -> Completed:
    return machine.run(["psql", "-XqAt", "-d", database], stdin=text.encode(), user="postgres")


@pytest.fixture(scope="module")
def locked(pg_machine: Machine) -> Iterator[Machine]:
    sql(pg_machine, "CREATE DATABASE locked", "postgres")
    rows = "INSERT INTO t SELECT g, g FROM generate_series(1, 200000) g"
    assert sql(
        pg_machine, f"CREATE TABLE t(id int, n int) WITH (autovacuum_enabled = off); {rows}; CREATE TABLE other(x int)"
    ).ok
    yield pg_machine
    sql(pg_machine, "DROP DATABASE locked WITH (FORCE)", "postgres")


def possible(method: Method) -> Method:
    if method == "probes":
        try:
            sweep()
        except ProbesUnavailable as error:
            from tests.conftest import stand_aside  # type: ignore[import-not-found]

            stand_aside(str(error))
    return method


def ours() -> list[str]:
    groups = [line for line in (TRACEFS / "uprobe_events").read_text().splitlines() if "fulldress_" in line]
    return groups + [path.name for path in (TRACEFS / "instances").glob("fulldress_*")]


def strong(holds: list[LockHold], relation: str = "public.t") -> list[LockHold]:
    return [h for h in holds if h.relation == relation and h.mode in ("AccessExclusive", "Share", "ShareUpdateExclusive")]


@pytest.mark.machine
@pytest.mark.parametrize("method", ["probes", "sampler"])
class TestBothMethods:
    def test_hold_time_mode_and_statement(self, locked: Machine, method: Method) -> None:
        clock = "SELECT extract(epoch FROM clock_timestamp());"
        lock = "LOCK TABLE t IN ACCESS EXCLUSIVE MODE;"
        with LockTrace(locked, "locked", method=possible(method)) as trace:
            said = sql(locked, f"{clock} BEGIN; {lock} {clock} SELECT pg_sleep({LONG}); {clock} COMMIT; {clock}")
        before, taken, leaving, after = (float(line) for line in said.stdout.split())
        (hold,) = strong(trace.holds())
        slack = 0.002 if method == "probes" else 0.05
        assert hold.mode == "AccessExclusive"
        assert leaving - taken - slack <= hold.held <= after - before + slack
        assert hold.waited == 0
        assert before - slack <= hold.at <= taken + slack
        assert "t in access" in hold.statement.lower() or "pg_sleep" in hold.statement or "clock" in hold.statement

    def test_a_change_queues_behind_a_long_reader_and_others_behind_it(self, locked: Machine, method: Method) -> None:
        with LockTrace(locked, "locked", method=possible(method)) as trace:
            reader = threading.Thread(
                target=sql, args=(locked, "BEGIN; SELECT 1 FROM t LIMIT 1; SELECT pg_sleep(2.5); COMMIT")
            )
            change = threading.Thread(target=sql, args=(locked, "ALTER TABLE t ADD extra int"))
            late = [threading.Thread(target=sql, args=(locked, "SELECT count(*) FROM t WHERE id = 5")) for _ in range(2)]
            for thread in (reader, change, *late):
                thread.start()
                time.sleep(0.4)
            for thread in (reader, change, *late):
                thread.join()
        holds = trace.holds()
        (hold,) = strong(holds)
        assert (hold.mode, hold.waiters, hold.statement) == ("AccessExclusive", 2, "ALTER TABLE t ADD extra int")
        assert 0.8 <= hold.waited <= 2.5
        waits = [h.waited for h in holds if h.mode == "AccessShare"]
        assert len(waits) == 2
        assert all(0.1 <= waited <= 2.0 for waited in waits)

    def test_ten_short_holds_of_50_ms_are_all_seen(self, locked: Machine, method: Method) -> None:
        one = "BEGIN; LOCK TABLE other IN SHARE MODE; SELECT pg_sleep(0.05); COMMIT; SELECT pg_sleep(0.03);\n"
        with LockTrace(locked, "locked", method=possible(method)) as trace:
            sql(locked, one * 10)
        found = strong(trace.holds(), "public.other")
        # a sampler that the machine's other work delays may take two for one, or miss one
        assert len(found) == 10 if method == "probes" else 8 <= len(found) <= 10
        assert all(hold.held >= (0.05 if method == "probes" else 0.03) for hold in found)

    def test_nothing_is_left_behind_even_after_a_failure(self, locked: Machine, method: Method) -> None:
        before = ours()
        with pytest.raises(ZeroDivisionError), LockTrace(locked, "locked", method=possible(method)):
            raise ZeroDivisionError
        assert ours() == before
        left = sql(locked, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'fulldress-locks%'")
        assert left.stdout.strip() == b"0"


@pytest.mark.machine
class TestProbes:
    def run(self, machine: Machine, text: str) -> list[LockHold]:
        with LockTrace(machine, "locked", method=possible("probes")) as trace:
            assert sql(machine, text).ok
        assert "exact" in trace.note
        return trace.holds()

    def test_an_index_and_a_rewrite_with_their_modes(self, locked: Machine) -> None:
        found = strong(self.run(locked, "CREATE INDEX t_n ON t(n); ALTER TABLE t ALTER n TYPE bigint; DROP INDEX t_n"))
        modes = [(hold.mode, hold.statement.split()[0]) for hold in found]
        assert modes[0] == ("Share", "CREATE")
        assert ("AccessExclusive", "ALTER") in modes
        assert all(hold.held > 0.01 for hold in found if hold.statement.startswith(("CREATE", "ALTER")))

    def test_an_index_built_concurrently_holds_its_weaker_lock_over_all_its_transactions(self, locked: Machine) -> None:
        found = strong(self.run(locked, "CREATE INDEX CONCURRENTLY t_c ON t(n)"))
        assert {hold.mode for hold in found} == {"ShareUpdateExclusive"}
        assert max(hold.held for hold in found) > 0.02
        assert len({hold.statement for hold in found}) == 1
        sql(locked, "DROP INDEX t_c")

    def test_a_lock_timeout_was_a_wait_and_no_hold(self, locked: Machine) -> None:
        holder = threading.Thread(target=sql, args=(locked, "BEGIN; SELECT 1 FROM t LIMIT 1; SELECT pg_sleep(2.5); COMMIT"))
        holder.start()
        time.sleep(0.6)
        found = strong(self.run(locked, "SET lock_timeout = '200ms'; TRUNCATE t"))
        holder.join()
        (hold,) = found
        assert hold.held == 0
        assert 0.19 <= hold.waited <= 0.6

    def test_a_server_that_is_restarted_meanwhile_stays_watched(self, locked: Machine) -> None:
        with LockTrace(locked, "locked", method=possible("probes")) as trace:
            assert locked.run(["systemctl", "restart", "postgresql@15-main"]).ok
            sql(locked, "BEGIN; LOCK TABLE t; SELECT pg_sleep(0.1); COMMIT")
        (hold,) = strong(trace.holds())
        assert 0.1 <= hold.held <= 1

    def test_only_the_clones_own_processes_and_their_children_are_heard(self, locked: Machine) -> None:
        possible("probes")
        assert locked.root is not None
        binary = next((locked.root / "usr/lib/postgresql").glob("*/bin/postgres"))
        with LockProbes(binary, {os.getpid()}) as foreign, LockTrace(locked, "locked", method="probes") as trace:
            sql(locked, "BEGIN; LOCK TABLE t; COMMIT")
        assert len(strong(trace.holds())) == 1
        assert foreign.events == []

    def test_what_a_killed_process_left_is_swept(self, locked: Machine) -> None:
        possible("probes")
        assert locked.root is not None
        binary = next((locked.root / "usr/lib/postgresql").glob("*/bin/postgres"))
        script = (
            "import os, signal, sys; from pathlib import Path; from fulldress.rehearse.uprobes import LockProbes\n"
            f"LockProbes(Path({str(binary)!r})).__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
        )
        source = str(Path(__file__).parents[2] / "src")
        dead = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": source})
        dead.wait()
        assert [name for name in ours() if f"fulldress_{dead.pid}_" in name]
        sweep()
        assert not [name for name in ours() if f"fulldress_{dead.pid}_" in name]

    def test_a_program_that_is_none_falls_back_to_the_sampler_and_says_why(self, locked: Machine) -> None:
        with LockTrace(locked, "locked", pgbinary_path="/etc/passwd") as trace:
            pass
        assert "sampled" in trace.note
        assert "not a 64-bit" in trace.note


class Fake:
    """A host whose commands answer as told."""

    name = "machine:fake"
    root = None

    def __init__(self, answer: Callable[[list[str]], Completed]) -> None:
        self.answer = answer

    def run(self, argv: list[str], **how: object) -> Completed:
        return self.answer(argv)

    def stream(self, argv: list[str], **how: object) -> Iterator[bytes]:
        yield b"psql: not found\n"


def test_a_database_that_does_not_answer_is_a_failure_not_silence() -> None:
    host = Fake(lambda _: Completed(code=2, stderr=b"no such database"))
    with pytest.raises(LockTraceFailed) as caught, LockTrace(host, "db"):  # type: ignore[arg-type]
        pass
    assert "no such database" in caught.value.why


def test_a_sampler_that_never_looks_is_a_failure_not_silence() -> None:
    host = Fake(lambda argv: Completed(code=0, stdout=b"" if "json_object_agg" in argv[-1] else b"16384\n"))
    with pytest.raises(LockTraceFailed, match="cannot be watched") as caught, LockTrace(host, "db"):  # type: ignore[arg-type]
        pass
    assert "cannot be seen" in caught.value.why


def test_without_a_database_the_note_says_so() -> None:
    with LockTrace(Fake(lambda _: Completed(code=1)), "") as trace:  # type: ignore[arg-type]
        pass
    assert trace.holds() == []
    assert "no database" in trace.note


def test_probes_that_were_asked_for_but_cannot_be_are_a_failure() -> None:
    host = Fake(lambda argv: Completed(code=0, stdout=b"" if "json_object_agg" in argv[-1] else b"16384\n"))
    with pytest.raises(LockTraceFailed, match="cannot be seen"), LockTrace(host, "db", method="probes"):  # type: ignore[arg-type]
        pass
