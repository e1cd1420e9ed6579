"""How much of what locks do is seen: holds by length, and stalls under load.  Run as root: .venv/bin/python bench/locks.py

Recall: holds of 1 to 200 ms of a strong lock, in random order, each traced by kernel probes and by the sampler.
Stalls: three kinds (an index built the ordinary way, a column's type rewritten, a change that queues behind a long reader),
three runs each, while readers and writers go on; a stall counts as found when the timeline names statement, lock, table and
the sessions that waited. Targets: recall 1.0 with probes, 9 of 9 stalls.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

from fulldress.adapters import nspawn
from fulldress.adapters.image import base_image, copy_tree
from fulldress.adapters.scope import Scope
from fulldress.adapters.scratch import scratch_dir
from fulldress.model.rehearsal import LockHold
from fulldress.ports import Host
from fulldress.rehearse.locks import LockTrace
from fulldress.rehearse.locktimeline import timeline
from fulldress.rehearse.serverlog import ServerLog

DATABASE = "measured"
LENGTHS_MS = (1, 2, 5, 10, 20, 50, 100, 200)
PER_LENGTH = 12
ROUNDS = 3
ROWS = 1_500_000


class Stall(NamedTuple):
    """A change that makes others wait."""

    name: str
    statement: str
    mode: str
    undo: str
    behind_reader: bool = False


STALLS = (
    Stall("create index", "CREATE INDEX big_n ON big(n)", "Share", "DROP INDEX big_n"),
    Stall(
        "type rewrite",
        "ALTER TABLE big ALTER COLUMN n TYPE bigint",
        "AccessExclusive",
        "ALTER TABLE big ALTER COLUMN n TYPE int",
    ),
    Stall(
        "behind a long reader",
        "ALTER TABLE big ADD COLUMN extra int",
        "AccessExclusive",
        "ALTER TABLE big DROP COLUMN extra",
        behind_reader=True,
    ),
)


def sql(host: Host, text: str, database: str = DATABASE) -> str:
    """Ask the machine's PostgreSQL."""
    done = host.run(
        ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database], stdin=text.encode(), user="postgres", timeout_s=600
    )
    if not done.ok:
        raise SystemExit(done.stderr.decode())
    return done.stdout.decode().strip()


def recall(host: Host, method: Literal["probes", "sampler"]) -> dict[int, tuple[float, float]]:
    """Length in ms -> share of the holds that were seen, and the median error of their length in ms."""
    lengths = [length for length in LENGTHS_MS for _ in range(PER_LENGTH)]
    random.Random(7).shuffle(lengths)
    clock = "SELECT extract(epoch FROM clock_timestamp());"
    one = "BEGIN; LOCK TABLE probe IN ACCESS EXCLUSIVE MODE; {clock} SELECT pg_sleep({s}); {clock} COMMIT;"
    one += "SELECT pg_sleep(0.02);\n"
    with LockTrace(host, DATABASE, method=method) as trace:
        said = sql(host, "".join(one.format(clock=clock, s=length / 1000) for length in lengths)).split()
    holds = [hold for hold in trace.holds() if hold.relation == "public.probe" and hold.held]
    spans = list(zip(map(float, said[::2]), map(float, said[1::2]), lengths, strict=True))
    seen: dict[int, list[float]] = {length: [] for length in LENGTHS_MS}
    for start, end, length in spans:
        found = [hold for hold in holds if hold.at <= end and hold.at + hold.waited + hold.held >= start]
        if found:
            seen[length].append(abs(found[0].held - (end - start)) * 1000)
    return {length: (len(e) / PER_LENGTH, statistics.median(e) if e else float("nan")) for length, e in seen.items()}


def traffic(host: Host, seconds: float) -> list[threading.Thread]:
    """Readers and writers of the table, each statement in a session of its own that has a time-out."""
    ends = time.monotonic() + seconds

    def go_on(text: str) -> None:
        while time.monotonic() < ends:
            sql(host, f"SET statement_timeout = '20s'; {text}")

    texts = ("SELECT count(*) FROM big WHERE id = 5", "UPDATE big SET m = m + 1 WHERE id = (random() * 1000)::int")
    threads = [threading.Thread(target=go_on, args=(text,), daemon=True) for text in texts for _ in range(2)]
    for thread in threads:
        thread.start()
    return threads


def stalled(host: Host, stall: Stall) -> tuple[bool, str]:
    """Whether the timeline names it, and what it says."""
    with ServerLog(host, DATABASE) as log, LockTrace(host, DATABASE) as trace:
        threads = traffic(host, 1.5)
        time.sleep(0.3)
        if stall.behind_reader:
            reader = "BEGIN; SELECT 1 FROM big LIMIT 1; SELECT pg_sleep(2); COMMIT"
            threads.append(threading.Thread(target=sql, args=(host, reader)))
            threads[-1].start()
            time.sleep(0.3)
        sql(host, stall.statement)
        for thread in threads:
            thread.join()
    impacts = timeline(trace.holds(), trace.witness, log.waits, log.changes, (), name=trace.name, slow_s=0.5)
    sql(host, stall.undo)
    for impact in impacts:
        lock = impact.lock
        if (lock.relation, lock.mode) == ("public.big", stall.mode) and impact.waits and named(lock, stall):
            longest = max(wait.waited for wait in impact.waits)
            return True, f"{len(impact.waits)} waited, up to {longest * 1000:.0f} ms; seen by {', '.join(impact.sources)}"
    return False, f"{len(impacts)} locks on the timeline, not this one"


def named(lock: LockHold, stall: Stall) -> bool:
    """The lock carries the statement that took it."""
    return " ".join(stall.statement.split()[:3]).lower() in " ".join(lock.statement.split()).lower()


def prepared(host: Host) -> None:
    """The tables to lock."""
    sql(host, f"CREATE DATABASE {DATABASE}", "postgres")
    sql(
        host,
        "CREATE TABLE probe(x int); CREATE TABLE big(id int PRIMARY KEY, n int, m int) WITH (autovacuum_enabled = off);"
        f"INSERT INTO big SELECT g, g, 0 FROM generate_series(1, {ROWS}) g",
    )


def measure(host: Host, rounds: int) -> bool:
    """Print both tables; False when a target is missed."""
    prepared(host)
    good = True
    print("recall (median error of the length)")
    methods: tuple[Literal["probes", "sampler"], ...] = ("probes", "sampler")
    for method in methods:
        found = recall(host, method)
        print(f"  {method:<8}" + "".join(f"  {length} ms: {r:.2f} ({e:.2f} ms)" for length, (r, e) in found.items()))
        good = good and (method == "sampler" or all(r == 1.0 for r, _ in found.values()))
    total = 0
    print("stalls")
    for stall in STALLS:
        for number in range(rounds):
            seen, said = stalled(host, stall)
            total += seen
            print(f"  {stall.name:<22}{number + 1}  {'found' if seen else 'MISSED'}: {said}")
    print(f"stalls found: {total} of {len(STALLS) * rounds}")
    return good and total == len(STALLS) * rounds


def on_a_machine(work: Callable[[Host], bool]) -> bool:
    """Boot a machine made for this; it is gone afterwards."""
    image, scratch = base_image(), scratch_dir()
    with Scope("bench") as scope:
        top = scratch / "clones" / scope.id
        scope.keep("tree", str(top))
        copy_tree(image, top / "root")
        scope.keep("machine", scope.id)
        return work(nspawn.boot(top / "root", scope.id))


def main() -> int:
    """Exit 1 when a target is missed."""
    parser = argparse.ArgumentParser(description="recall of the lock trace")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    return 0 if on_a_machine(lambda host: measure(host, asked.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
