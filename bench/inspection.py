"""``fulldress scan`` beside kingfisher on packages made here: wall time, CPU, memory of all processes together, start.

Run: .venv/bin/python bench/inspection.py [--sizes 10 200 1000] [--large] [--rounds 3] [--keep FOLDER] [--package FILE ...]
Targets: wall ≤ 1/5 and CPU ≤ 1/2 of kingfisher's, ≤ 512 MB in all, start ≤ 0.3 s, time linear in bytes.
(It is not called inspect: beside the other benches, that name would hide Python's own module.)
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from material import packages

WALL, CPU, MEMORY, START = 5.0, 0.5, 512.0, 0.3
PATIENCE = 1800
BIN = Path(sys.executable).parent
os.environ.pop(
    "PYTHONDONTWRITEBYTECODE", None
)  # an installed product has its bytecode; without, each start compiles it anew
OURS = [sys.executable, "-m", "fulldress.cli.main", "scan"]
LARGE = 4000


class Cost(NamedTuple):
    """One run."""

    wall: float
    cpu: float
    memory: float
    """Peak MB of proportional set sizes over all processes; 0 when not sampled."""


def descendants(root: int) -> list[int]:
    """A process and all below it."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
        except (OSError, ValueError):
            continue
    return found


def memory_of(pids: Sequence[int]) -> float:
    """Their proportional set sizes together, in MB."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total / 1024


def run(command: Sequence[str], *, sample: bool = False) -> Cost:
    """Run to the end; any exit code will do that is no failure to start."""
    before, peak = resource.getrusage(resource.RUSAGE_CHILDREN), 0.0
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    timer = threading.Timer(PATIENCE, child.kill)
    timer.start()
    while sample and child.poll() is None:
        peak = max(peak, memory_of(descendants(child.pid)))
        time.sleep(0.02)
    child.wait()
    timer.cancel()
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if child.returncode < 0 or child.returncode in (1, 2, 126, 127):
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak)


def measured(command: Sequence[str], rounds: int) -> Cost:
    """Medians of so many rounds after one that warms the caches and is watched for memory."""
    peak = run(command, sample=True).memory
    costs = [run(command) for _ in range(rounds)]
    return Cost(statistics.median(c.wall for c in costs), statistics.median(c.cpu for c in costs), peak)


def kingfisher() -> list[str] | None:
    """The peer's command, when it is installed."""
    found = shutil.which("kingfisher", path=f"{BIN}:{os.environ.get('PATH', '')}")
    return [found, "scan", "--no-limits", "--no-validate", "--no-update-check"] if found else None


def start_up(folder: Path, rounds: int) -> float:
    """Median seconds of a scan of a package with one file."""
    tiny = folder / "tiny.zip"
    with zipfile.ZipFile(tiny, "w") as archive:
        archive.writestr("readme.txt", "nothing\n")
    return measured([*OURS, str(tiny)], max(5, rounds)).wall


def compare(package: Path, label: str, rounds: int, peer: list[str] | None) -> tuple[Cost, bool]:
    """One row of the table; True when all targets that can be judged are met."""
    ours = measured([*OURS, "--format", "json", str(package)], rounds)
    row = f"{label:>8} {ours.wall:>8.2f} {ours.cpu:>8.2f} {ours.memory:>8.0f}"
    good = ours.memory <= MEMORY
    if peer is not None:
        theirs = measured([*peer, str(package)], rounds)
        wall, cpu = theirs.wall / ours.wall, ours.cpu / theirs.cpu
        row += f" {theirs.wall:>10.2f} {theirs.cpu:>8.2f} {theirs.memory:>8.0f} {wall:>9.1f} {cpu:>8.2f}"
        good = good and wall >= WALL and cpu <= CPU
    print(row, flush=True)
    return ours, good


def main() -> int:
    """Print the table; exit 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 200, 1000], help="MB of content")
    parser.add_argument("--large", action="store_true", help=f"also {LARGE} MB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--package", type=Path, nargs="*", default=[], help="packages of your own besides")
    parser.add_argument("--keep", type=Path, help="where packages are kept for the next run")
    given = parser.parse_args()
    peer = kingfisher()
    print(f"{os.cpu_count()} cores, {platform.release()}, Python {platform.python_version()}; ", end="")
    print("beside kingfisher" if peer else "kingfisher is not installed (pip install kingfisher-bin): no comparison")
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        start = start_up(folder, given.rounds)
        print(f"start: {start:.2f} s (target ≤ {START} s)")
        print(f"{'MB':>8} {'wall s':>8} {'CPU s':>8} {'MB all':>8}", end="")
        print(f" {'its wall':>10} {'CPU':>8} {'MB all':>8} {'wall ×':>9} {'CPU ×':>8}" if peer else "")
        good = start <= START
        rates: list[tuple[int, float]] = []
        for size in [*given.sizes, *([LARGE] if given.large else [])]:
            package = folder / f"p{size}.zip"
            if not package.exists():
                packages.make(size << 20, package)
            cost, met = compare(package, str(size), given.rounds, peer)
            good, rates = good and met, [*rates, (size, cost.wall - start)]
        for package in given.package:
            good = compare(package, package.name[:8], given.rounds, peer)[1] and good
        print("s for each GB: " + ", ".join(f"{size} MB {wall / size * 1000:.1f}" for size, wall in rates))
    print(f"targets: wall ≥ {WALL:g} ×, CPU ≤ {CPU:g} ×, memory ≤ {MEMORY:g} MB: {'met' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
