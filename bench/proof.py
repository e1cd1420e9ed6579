"""How fast the proof of equality reads: paths per second, MB of files per second, MB of rows per second on one core.

python -m bench.proof --root /usr
python -m bench.proof --host machine:NAME --database DB
python -m bench.proof --host machine:NAME --fill 400     (makes a database of so many MB there, and drops it again)
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

from fulldress.adapters.hosts import open_host
from fulldress.adapters.manifest import manifest
from fulldress.inventory.survey import survey
from fulldress.model.release import Declared
from fulldress.ports import Host
from fulldress.rehearse import rows as queries
from fulldress.rehearse.capture import capture

MADE = "fulldress_bench"
TEXT_OF_A_ROW = "hashtextextended(t::text, 0)"
"""What is compared beside it: the text of each whole row."""
FILL = """
CREATE TABLE narrow(id int PRIMARY KEY, part int, amount int, filler char(84));
INSERT INTO narrow SELECT i, i % 7, i, 'x' FROM generate_series(1, {narrow}) i;
CREATE TABLE mixed(id bigserial PRIMARY KEY, name text, at timestamptz, n numeric, f float8, j jsonb, note text, u uuid);
INSERT INTO mixed(name, at, n, f, j, note, u) SELECT 'sample ' || i, now(), i * 1.10, i / 3.0,
  jsonb_build_object('a', i, 'b', repeat('x', 20)), repeat('y', 150), gen_random_uuid() FROM generate_series(1, {mixed}) i;
VACUUM FREEZE ANALYZE;
"""


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median seconds of some rounds."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def files(root: str, rounds: int) -> None:
    """Print paths/s and MB/s of the manifest of a tree."""
    found, size = manifest(root)
    seconds = timed(lambda: manifest(root), rounds)
    rate = f"{len(found) / seconds:,.0f} paths/s, {size / seconds / 1e6:,.0f} MB/s"
    print(f"files  {len(found):,} paths, {size / 1e6:,.0f} MB in {seconds:.2f} s: {rate}")


def ask(host: Host, database: str, query: str) -> str:
    """The answer of psql, without parallel workers."""
    options = "PGOPTIONS=-c max_parallel_workers_per_gather=0"
    argv = ["env", options, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database]
    done = host.run(argv, stdin=query.encode(), user="postgres", timeout_s=3600)
    if not done.ok:
        raise SystemExit(done.stderr.decode(errors="replace"))
    return done.stdout.decode()


def rows(host: Host, database: str, rounds: int) -> None:
    """Print MB/s of the rows of a database on one core, of each of its largest tables, and the time of a whole capture."""
    sizes = "SELECT oid::regclass, pg_table_size(oid) FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY 2 DESC"
    tables = [line.rsplit("|", 1) for line in ask(host, database, sizes).splitlines()]
    total = sum(int(size) for _, size in tables)
    seconds = timed(lambda: ask(host, database, queries.TABLES), rounds)
    print(f"rows   {total / 1e6:,.0f} MB in {seconds:.2f} s on one core: {total / seconds / 1e6:,.0f} MB/s")
    for table, size in tables[:3]:
        text = timed(partial(ask, host, database, f"SELECT sum({TEXT_OF_A_ROW}) FROM ONLY {table} AS t"), rounds)
        said = f"SELECT format('SELECT sum(%s) FROM ONLY {table} AS t', {queries.HASH_OF_A_ROW}) FROM pg_class c"
        query = f"{said} WHERE c.oid = {queries.literal(table)}::regclass \\gexec"
        mine = timed(partial(ask, host, database, query), rounds)
        mega = int(size) / 1e6
        print(f"       {table}: {mega:,.0f} MB, {mega / mine:,.0f} MB/s; as the text of each row {mega / text:,.0f} MB/s")
    whole = timed(lambda: capture(host, databases=[database]), rounds)
    without = timed(lambda: capture(host), rounds)
    asked = timed(lambda: survey([host], Declared(database=database)), rounds)
    print(f"whole  {whole:.2f} s, without the databases {without:.2f} s; the survey of the same host {asked:.2f} s")


def filled(host: Host, megabytes: int, rounds: int) -> None:
    """Measure a database made for it, half of plain columns, half of every kind."""
    ask(host, "postgres", f"CREATE DATABASE {MADE}")
    try:
        ask(host, MADE, FILL.format(narrow=megabytes * 3750, mixed=megabytes * 1525))
        rows(host, MADE, rounds)
    finally:
        ask(host, "postgres", f"DROP DATABASE {MADE}")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="speed of the proof of equality")
    parser.add_argument("--root", default="/usr")
    parser.add_argument("--host", default="")
    parser.add_argument("--database", default="postgres")
    parser.add_argument("--fill", type=int, default=0, metavar="MB")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    files(asked.root, asked.rounds)
    if asked.host and asked.fill:
        filled(open_host(asked.host), asked.fill, asked.rounds)
    elif asked.host:
        rows(open_host(asked.host), asked.database, asked.rounds)


if __name__ == "__main__":
    main()
