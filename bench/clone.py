"""Clone and boot at several sizes of PostgreSQL data.  Run as root: .venv/bin/python bench/clone.py [GB ...]

Grows the database of a machine made for this, mirrors it while it runs, and makes clones of the mirror: network, layers,
boot until systemd is ready, first answer of PostgreSQL. Prints medians; the target is at most 4 s at every size alike.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

from fulldress.adapters import nspawn
from fulldress.adapters.image import base_image, copy_tree
from fulldress.adapters.scope import Scope
from fulldress.adapters.scratch import scratch_dir
from fulldress.ports import Host
from fulldress.rehearse.clone import Clone
from fulldress.rehearse.mirror import Mirror, refresh
from fulldress.rehearse.network import Network

ROUNDS = 5
TARGET = 4.0
ROWS_PER_GB = 1_000_000


def sql(host: Host, text: str) -> str:
    """Ask the machine's PostgreSQL."""
    done = host.run(["psql", "-XqAtc", text], user="postgres", timeout_s=1800)
    if not done.ok:
        raise SystemExit(done.stderr.decode())
    return done.stdout.decode().strip()


def grow(machine: Host, to_gb: float) -> None:
    """Rows of about a kilobyte, until the table has the size."""
    have = float(sql(machine, "select pg_total_relation_size('grown') / 1e9"))
    rows = int((to_gb - have) * ROWS_PER_GB)
    if rows > 0:
        sql(machine, f"insert into grown (body) select repeat(md5(g::text), 29) from generate_series(1, {rows}) g")


def measure(mirror: Mirror, scratch: Path, scope: Scope) -> tuple[float, float, float, float]:
    """Seconds of one clone: all of it, its layers, its boot, the first write to the largest table after that."""
    began = time.perf_counter()
    with (
        Network(scope, label="bench") as network,
        Clone(mirror, scratch, network, keeper=scope, boot=nspawn.boot, label="bench") as clone,
    ):
        total = time.perf_counter() - began
        began = time.perf_counter()
        sql(clone.host, "update grown set body = 'x' where id = (select max(id) from grown)")
        first = time.perf_counter() - began
        return total, clone.seconds["layers"], clone.seconds["boot"], first


def main() -> int:
    """Print the table; exit 1 when the target is missed."""
    sizes = sorted(float(word) for word in sys.argv[1:]) or [0.1, 1.0, 5.0]
    image, scratch = base_image(), scratch_dir()
    missed = False
    with Scope("bench") as scope:
        top = scratch / "clones" / scope.id
        scope.keep("tree", str(top))
        copy_tree(image, top / "production")
        scope.keep("machine", scope.id)
        machine = nspawn.boot(top / "production", scope.id)
        sql(machine, "create table grown (id bigserial primary key, body text) with (autovacuum_enabled = off)")
        print("    data   mirror  clone + boot    min    max  layers   boot  first write")
        for size in sizes:
            grow(machine, size)
            mirror = refresh(machine, top / "mirror")
            rows = [measure(mirror, scratch, scope) for _ in range(ROUNDS)]
            total, layers, boot, first = (statistics.median(column) for column in zip(*rows, strict=True))
            totals = [row[0] for row in rows]
            missed = missed or total > TARGET
            print(
                f"{size:>5.1f} GB {mirror.seconds:>6.1f} s {total:>11.2f} s {min(totals):>6.2f} {max(totals):>6.2f} "
                f"{layers:>5.2f} s {boot:>4.2f} s {first:>10.2f} s",
                flush=True,
            )
    print(f"target: at most {TARGET:.0f} s at every size; " + ("MISSED" if missed else "met") + f" (median of {ROUNDS})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
