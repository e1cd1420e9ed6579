"""How fast the proof of equality reads: paths per second, MB of files per second, MB of rows per second.

python -m bench.proof --root /usr
python -m bench.proof --host machine:NAME --database DB
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from fulldress.adapters.hosts import open_host
from fulldress.inventory.survey import survey
from fulldress.model.release import Declared
from fulldress.ports import Host
from fulldress.rehearse.capture import capture
from fulldress.adapters.manifest import manifest


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


def rows(host: Host, database: str, rounds: int) -> None:
    """Print MB/s of the rows of a database, and the time of a whole capture."""
    query = "SELECT coalesce(sum(pg_table_size(oid)), 0) FROM pg_class WHERE relkind = 'r' AND oid >= 16384"
    size = int(host.run(["psql", "-XqAt", "-d", database, "-c", query], user="postgres").stdout)
    seconds = timed(lambda: capture(host, databases=[database]), rounds)
    without = timed(lambda: capture(host), rounds)
    spent = max(seconds - without, 1e-9)
    print(f"rows   {size / 1e6:,.0f} MB in {spent:.2f} s (with the schema's dump): {size / spent / 1e6:,.0f} MB/s")
    asked = timed(lambda: survey([host], Declared(database=database)), rounds)
    print(f"whole  {seconds:.2f} s, without the database {without:.2f} s; the survey of the same host {asked:.2f} s")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="speed of the proof of equality")
    parser.add_argument("--root", default="/usr")
    parser.add_argument("--host", default="")
    parser.add_argument("--database", default="postgres")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    files(asked.root, asked.rounds)
    if asked.host:
        rows(open_host(asked.host), asked.database, asked.rounds)


if __name__ == "__main__":
    main()
