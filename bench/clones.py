"""Eight clones with PostgreSQL alive at once: memory, time to boot.  As root: .venv/bin/python bench/clones.py [N] [DRIVER]

Makes a machine with a database of 200,000 rows, mirrors it while it runs, and makes N clones of the mirror two at a time;
each answers a query over all rows and writes some. Memory is what each clone's control group is charged with: of its
processes (anonymous and shared), page cache of files (given up when memory is wanted), and all together with the kernel's.
The target is 4 GB for eight.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import statistics
import sys
import time
from pathlib import Path

from fulldress.adapters import cgroups, nspawn
from fulldress.adapters.image import base_image, copy_tree
from fulldress.adapters.scope import Scope
from fulldress.adapters.scratch import scratch_dir
from fulldress.ports import Clone, CloneDriver, Host
from fulldress.rehearse.clones import driver
from fulldress.rehearse.mirror import Mirror, refresh
from fulldress.rehearse.network import Network

TARGET_GB = 4.0
ROWS = 200_000
AT_ONCE = 2
"""Clones that are booted at the same time, as many as there are cores where this is measured."""
FILL = (
    "create table results (id int primary key, body text);"
    f"insert into results select g, repeat(md5(g::text), 4) from generate_series(1, {ROWS}) g; analyze results; checkpoint"
)
WORK = "select sum(length(body)) from results; update results set body = body || 'x' where id % 100 = 0; checkpoint"


def sql(host: Host, text: str) -> str:
    """Ask the machine's PostgreSQL, which may still be starting."""
    for _ in range(100):
        done = host.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"], stdin=text.encode(), user="postgres", timeout_s=600)
        if done.ok:
            return done.stdout.decode().strip()
        time.sleep(0.1)
    raise SystemExit(done.stderr.decode())


def made(stack: contextlib.ExitStack, making: CloneDriver, mirror: Mirror, keeper: Scope) -> tuple[Clone, float]:
    """A clone at work, and the seconds from nothing until its init said ready."""
    began = time.perf_counter()
    network = stack.enter_context(Network(keeper, label="bench"))
    clone = stack.enter_context(making.make(mirror, network, label="bench"))
    seconds = time.perf_counter() - began
    if sql(clone.host, WORK).splitlines()[0] != str(ROWS * 128):
        raise SystemExit("a clone answered wrongly")
    return clone, seconds


def available() -> int:
    """Memory that this computer could still give, bytes."""
    line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


def main() -> int:
    """Print the table; exit 1 when the target is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    name = sys.argv[2] if len(sys.argv) > 2 else "overlay"
    with Scope("bench") as scope, contextlib.ExitStack() as stack:
        top = scratch_dir() / "clones" / scope.id
        scope.keep("tree", str(top))
        copy_tree(base_image(), top / "production")
        scope.keep("machine", scope.id)
        machine = nspawn.boot(top / "production", scope.id)
        sql(machine, FILL)
        making = driver(name, scope, nspawn.boot)
        place = making.place(f"bench:{scope.id}")
        scope.keep("tree", str(place))
        mirror = refresh(machine, place)
        machine.kill()
        before = available()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            clones = list(pool.map(lambda _: made(stack, making, mirror, scope), range(count)))
        time.sleep(2)
        return told(clones, before - available(), name)


def told(clones: list[tuple[Clone, float]], taken: int, name: str) -> int:
    """The table."""
    print(f"driver {name}, {len(clones)} clones alive at once, each at work; MB")
    print("clone  made in   processes   page cache      all")
    totals = []
    for number, (clone, seconds) in enumerate(clones, 1):
        used = cgroups.usage(clone.name)
        if used.total is None:
            raise SystemExit("no control group counts memory here")
        totals.append(((used.anonymous or 0) + (used.shared or 0), used.cache or 0, used.total))
        row = "".join(f"{part / 1e6:>12.0f}" for part in totals[-1])
        print(f"{number:>5} {seconds:>7.2f} s{row}")
    anonymous, cache, total = (sum(column) for column in zip(*totals, strict=True))
    print(f"  all {'':>9}{anonymous / 1e6:>12.0f}{cache / 1e6:>12.0f}{total / 1e6:>12.0f}")
    median = statistics.median(seconds for _, seconds in clones)
    print(f"made in {median:.2f} s (median, {AT_ONCE} at a time); this computer has {taken / 1e6:.0f} MB less to give")
    missed = total > TARGET_GB * 1e9
    print(f"target: at most {TARGET_GB:.0f} GB for all; {'MISSED' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
