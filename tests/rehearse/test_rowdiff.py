"""Rows that differ are named by key and column, on a real server; values that print differently are different."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from fulldress.adapters.nspawn import Machine
from fulldress.model.proof import Proof
from fulldress.ports import Completed
from fulldress.rehearse import rows
from fulldress.rehearse.proof import StateSnapshot, capture, compare
from fulldress.rehearse.rowdiff import ROWS, with_rows

SETUP = """
CREATE SCHEMA odd;
CREATE TYPE odd.mood AS ENUM ('a', 'b');
CREATE TABLE many(id int PRIMARY KEY, n numeric, note text);
INSERT INTO many SELECT i, i, 'x' FROM generate_series(1, 20000) i;
CREATE TABLE odd."T%x'y"("a%'" int, b text, t int, n numeric, f float8, c char(5), j jsonb, i interval, na numeric[],
  m odd.mood, PRIMARY KEY ("a%'", b));
INSERT INTO odd."T%x'y" VALUES (1, 'it''s', 3, 1.0, 0, 'ab', '{"a": 1.0}', '1 mon', '{1.0}', 'a');
CREATE TABLE nokey(v numeric); INSERT INTO nokey VALUES (1);
CREATE TABLE part(k int, v text) PARTITION BY LIST (k); CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
CREATE UNLOGGED TABLE fast(id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO part VALUES (1, 'a'); INSERT INTO fast VALUES (1);
CREATE TABLE nothing(); SELECT lo_from_bytea(4711, 'abc');
"""


def sql(machine: Machine, database: str, text: str) -> str:
    done = machine.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database], stdin=text.encode(), user="postgres")
    assert done.ok, done.stderr.decode()
    return done.stdout.decode()


class Renamed:
    """The same server; what is asked of one database is answered by another: a machine as it was before."""

    def __init__(self, machine: Machine, database: str) -> None:
        self.machine, self.database, self.name, self.root = machine, database, machine.name, machine.root

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        return self.machine.run([*argv[:-1], self.database], stdin=stdin, timeout_s=timeout_s, user=user)


@pytest.fixture(scope="module")
def two(pg_machine: Machine) -> Iterator[Machine]:
    """A machine with two equal databases, ``was`` and ``now``."""
    for name in ("was", "now"):
        sql(pg_machine, "postgres", f"CREATE DATABASE {name}")
        sql(pg_machine, name, SETUP)
    yield pg_machine
    for name in ("was", "now"):
        sql(pg_machine, "postgres", f"DROP DATABASE {name}")


def sums(machine: Machine, database: str) -> dict[str, str]:
    text = sql(machine, database, "\\pset fieldsep '\\t'\n" + rows.TABLES)
    return {line.split("\t")[0]: line for line in text.splitlines()}


def state(machine: Machine, database: str) -> StateSnapshot:
    found = {f"now: {name}": line for name, line in sums(machine, database).items()}
    return StateSnapshot(host="h", files={}, units={}, config={}, rows=found, schema={})


def named(machine: Machine) -> list[tuple[str, str, str]]:
    proof: Proof = compare(state(machine, "was"), state(machine, "now"))
    assert not proof.equal
    told = with_rows(proof, Renamed(machine, "was"), Renamed(machine, "now"))  # type: ignore[arg-type]
    return [(d.name, d.before, d.after) for d in told.differences if d not in proof.differences]


@pytest.mark.machine
class TestRealServer:
    def test_equal_databases_are_equal_whatever_their_tables_are(self, two: Machine) -> None:
        assert sums(two, "was") == sums(two, "now")
        assert {'odd."T%x\'y"', "part_1", "fast", "nothing", "large objects"} - {
            name.removeprefix("public.") for name in sums(two, "now")
        } == set()

    def test_changed_missing_and_new_rows_are_named_by_key(self, two: Machine) -> None:
        sql(two, "now", "UPDATE many SET n = 7.0, note = 'y' WHERE id = 7; DELETE FROM many WHERE id = 19000;"
            "INSERT INTO many VALUES (30000, 1, 'z')")  # fmt: skip
        assert named(two) == [
            ("now: public.many id=7", "there", "differs in n, note"),
            ("now: public.many id=19000", "there", "absent"),
            ("now: public.many id=30000", "absent", "there"),
        ]
        sql(two, "now", "TRUNCATE many; INSERT INTO many SELECT i, i, 'x' FROM generate_series(20000, 1, -1) i")
        assert sums(two, "was") == sums(two, "now")

    def test_of_very_many_rows_the_first_few_are_named(self, two: Machine) -> None:
        sql(two, "now", "UPDATE many SET note = 'y'")
        assert len(named(two)) == ROWS
        sql(two, "now", "UPDATE many SET note = 'x'")

    @pytest.mark.parametrize(
        ("column", "value", "back"),
        [("n", "1.00", "1.0"), ("f", "'-0'", "0"), ("j", """'{"a": 1.00}'""", """'{"a": 1.0}'"""),
         ("i", "'30 days'", "'1 mon'"), ("na", "'{1.00}'", "'{1.0}'"), ("m", "'b'", "'a'"), ("t", "4", "3")],
    )  # fmt: skip
    def test_values_that_print_differently_differ(self, two: Machine, column: str, value: str, back: str) -> None:
        table = 'odd."T%x\'y"'
        sql(two, "now", f"""UPDATE {table} SET {column} = {value} WHERE "a%'" = 1""")
        assert named(two) == [(f"now: {table} a%'=1, b=it's", "there", f"differs in {column}")]
        sql(two, "now", f"""UPDATE {table} SET {column} = {back} WHERE "a%'" = 1""")

    def test_a_table_without_key_is_named_without_rows(self, two: Machine) -> None:
        sql(two, "now", "UPDATE nokey SET v = 1.0")
        assert named(two) == []
        sql(two, "now", "UPDATE nokey SET v = 1")

    def test_another_database_passwords_and_system_settings_are_part_of_the_proof(self, two: Machine) -> None:
        sql(two, "postgres", "CREATE ROLE clerk PASSWORD 'one'")
        before = capture(two, databases=["now"], exclude=("/usr",))
        sql(two, "postgres", "ALTER ROLE clerk PASSWORD 'two'; ALTER DATABASE now SET work_mem = '5MB'")
        sql(two, "postgres", "ALTER SYSTEM SET work_mem = '6MB'")
        sql(two, "was", "DELETE FROM nokey")
        found = {d.name for d in compare(before, capture(two, databases=["now"], exclude=("/usr",))).differences}
        sql(two, "postgres", "DROP ROLE clerk; ALTER DATABASE now RESET work_mem")
        sql(two, "postgres", "ALTER SYSTEM RESET work_mem")
        sql(two, "was", "INSERT INTO nokey VALUES (1)")
        assert found == {
            "server: password of role clerk", "server: setting work_mem", "now: DATABASE PROPERTIES now",
            "was: public.nokey",
        }  # fmt: skip


def test_the_queries_are_text_that_psql_splits_as_meant() -> None:
    assert rows.literal("it's") == "'it''s'"
    assert rows.row_columns("t", ["50%"]).count("50%%") == 1
    assert rows.bucket_rows("t", [1, 2]).count("IN (1, 2)") == 1


def test_a_server_that_does_not_answer_names_no_row() -> None:
    class Silent:
        def run(self, *_: object, **__: object) -> Completed:
            return Completed(code=2)

    was, now = (StateSnapshot(host="h", files={}, units={}, config={}, rows={"d: t": n}, schema={}) for n in ("1", "2"))
    proof = compare(was, now)
    assert with_rows(proof, Silent(), Silent()).differences == proof.differences  # type: ignore[arg-type]
