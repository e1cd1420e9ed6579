"""Start-up: ``fulldress --help`` and ``--version`` beside a bare interpreter.  Run: .venv/bin/python bench/startup.py

Prints medians and ratios; the target is at most 4 × a bare interpreter's start.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 25
TARGET = 4.0


def median_seconds(argv: list[str]) -> float:
    """Median wall time of a command over ROUNDS runs, after one to warm the caches."""
    times = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> int:
    """Print the table; exit 1 when the target is missed."""
    program = shutil.which("fulldress", path=str(Path(sys.executable).parent)) or "fulldress"
    bare = median_seconds([sys.executable, "-c", "pass"])
    print(f"{'command':<24}{'median ms':>10}{'ratio':>8}{'target':>8}")
    print(f"{'python -c pass':<24}{bare * 1e3:>10.1f}{1.0:>8.2f}")
    worst = 0.0
    for option in ("--help", "--version"):
        took = median_seconds([program, option])
        worst = max(worst, took / bare)
        print(f"{'fulldress ' + option:<24}{took * 1e3:>10.1f}{took / bare:>8.2f}{TARGET:>8.1f}")
    return 0 if worst <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
