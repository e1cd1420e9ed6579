"""How exact the inspection is, on sets with a known truth.  Run: .venv/bin/python bench/exact.py [SET ...]

Prints one line for each count; exit 1 when a target is missed, 3 when a set's files are not here.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable

import exactness
from exactness import NotHere, Row


def main() -> int:
    """Print the table of the sets named, or of all."""
    names = sys.argv[1:] or sorted(m.name for m in pkgutil.iter_modules(exactness.__path__) if not m.name.startswith("_"))
    worst = 0
    for name in names:
        measure: Callable[[], list[Row]] = importlib.import_module(f"exactness.{name}").measure
        try:
            rows = measure()
        except NotHere as absent:
            print(f"{name:<12} not measured: {absent}", flush=True)
            worst = worst or 3
            continue
        for row in rows:
            print(f"{name:<12} {row.what:<46} {row.got:>6} of {row.of:<6} {'met' if row.met else 'MISSED':<7} {row.target}")
            if row.note:
                print(f"{'':<12}   {row.note}")
            worst = worst if row.met else 1
        sys.stdout.flush()
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
