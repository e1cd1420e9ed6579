"""The server's log of lock waits: two lines are one wait, and what a client writes into the log is not believed."""

from __future__ import annotations

import pytest

from fulldress.formats.pglog import LoggedDdl, read_log

STILL = (
    "1732248000.500 [77] LOG:  process 77 still waiting for {mode}Lock on relation 16402 of database 16384 after 10.100 ms"
)
GOT = (
    "1732248002.500 [77] LOG:  process 77 acquired AccessExclusiveLock on relation 16402 of database 16384 after 2010.100 ms"
)
STATEMENT = "1732248000.500 [77] STATEMENT:  ALTER TABLE result\n\tADD COLUMN x int"
DETAIL = "1732248000.500 [77] DETAIL:  Process holding the lock: 70. Wait queue: 77."


def test_still_waiting_and_acquired_are_one_wait_with_its_statement() -> None:
    text = "\n".join([STILL.format(mode="AccessExclusive"), DETAIL, STATEMENT, GOT, STATEMENT])
    (wait,), changes = read_log(text)
    assert (wait.mode, wait.relation, wait.database, wait.granted) == ("AccessExclusive", 16402, 16384, True)
    assert wait.waited == pytest.approx(2.0101)
    assert wait.at == pytest.approx(1732248000.4899)
    assert wait.statement == "ALTER TABLE result ADD COLUMN x int"
    assert changes == []


def test_a_wait_that_was_given_up_is_known_for_as_long_as_it_was_seen() -> None:
    (wait,), _ = read_log(STILL.format(mode="Share"))
    assert not wait.granted
    assert wait.waited == pytest.approx(0.0101)


def test_two_waits_of_one_session_stay_apart() -> None:
    again = GOT.replace("1732248002", "1732248009")
    waits, _ = read_log("\n".join([STILL.format(mode="AccessExclusive"), GOT, again]))
    assert len(waits) == 2


def test_the_triggers_note_names_statement_and_locks() -> None:
    note = '[1732248000.25,"ALTER TABLE",[[16402,"AccessExclusiveLock"]],"ALTER TABLE\\n  result"]'
    _, (change,) = read_log(f"1732248001.000 [77] LOG:  fulldress-ddl {note}\n1732248001.000 [77] CONTEXT:  PL/pgSQL")
    assert change == LoggedDdl(
        at=1732248000.25,
        ended=1732248001.0,
        backend=77,
        tag="ALTER TABLE",
        locks=((16402, "AccessExclusive"),),
        statement="ALTER TABLE result",
    )


@pytest.mark.parametrize(
    "line",
    [
        "1732248001.000 [77] LOG:  fulldress-ddl not json",
        "1732248001.000 [77] LOG:  fulldress-ddl [1]",
        "1732248001.000 [77] ERROR:  process 77 acquired ShareLock on relation 1 of database 2 after 3.000 ms",
        "1732248001.000 [78] LOG:  process 77 acquired ShareLock on relation 1 of database 2 after 3.000 ms",
        "2026-11-22 03:00:00 UTC [77] LOG:  process 77 acquired ShareLock on relation 1 of database 2 after 3.000 ms",
        "x\n\t1732248001.000 [77] LOG:  process 77 acquired ShareLock on relation 1 of database 2 after 3.000 ms",
        "",
    ],
)
def test_anything_else_is_passed_over(line: str) -> None:
    assert read_log(line) == ([], [])
