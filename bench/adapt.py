"""How long ``adapt`` takes for a package with many curable findings: a made-up one.  Run: python -m bench.adapt [N]

N migrations of one series (each rewrites its own table, with an index on another), 200 scripts of tables, 200 other
curable files. Prints seconds and counts of the scan and of ``adapt``, and the digest of all patches.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

TABLES = 200
OTHERS = 200


def package(path: Path, migrations: int) -> None:
    """The made-up package."""
    with zipfile.ZipFile(path, "w") as made:
        for n in range(TABLES):
            columns = ", ".join(f"c{c} text" for c in range(12))
            made.writestr(f"schema/t{n:03}.sql", f"CREATE TABLE t{n} (id bigint PRIMARY KEY, {columns});\n")
        for n in range(migrations):
            made.writestr(
                f"migrations/{n + 1:03}-step.sql",
                f"ALTER TABLE t{n} ALTER COLUMN c1 SET NOT NULL;\nCREATE INDEX i{n} ON t{(n + 7) % TABLES} (c2);\n",
            )
        for n in range(OTHERS):
            made.writestr(f"bin/job{n:03}.sh", f"#!/bin/sh\nset -e\nexport HTTPS_VERIFY=1\ncurl -k https://h{n}.example/x\n")


def timed(folder: Path, *words: str) -> tuple[float, float, str]:
    """Wall and CPU seconds of one command, and what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    argv = [sys.executable, "-m", "fulldress.cli.main", *words]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    if done.returncode not in (0, 10):
        raise SystemExit(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    return time.monotonic() - start, cpu, done.stdout


def main() -> int:
    """Make it, scan it, adapt it."""
    migrations = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["FULLDRESS_STATE"] = str(folder / "state")
        package(folder / "made-up.zip", migrations)
        timed(folder, "new", "release")
        timed(folder / "release", "intake", "--package", str(folder / "made-up.zip"))
        wall, cpu, _ = timed(folder / "release", "scan")
        print(f"scan:  {wall:6.1f} s, {cpu:6.1f} s CPU")
        wall, cpu, text = timed(folder / "release", "adapt", "--format", "json")
        made = json.loads(text)
        print(f"adapt: {wall:6.1f} s, {cpu:6.1f} s CPU; {len(made['adaptations'])} adaptations")
        digest = hashlib.sha256()
        for patch in sorted((folder / "release" / "04-adaptations").glob("*.patch")):
            digest.update(patch.name.encode() + b"\0" + patch.read_bytes())
            print(f"  {patch.name}: {patch.read_bytes().count(b'+++ ')} files")
        print(f"patches: {digest.hexdigest()[:16]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
