"""Takes away what the demo, the tests and the product left on this machine: machines, mounts, images, mirrors, databases.

Usage: python tools/clean.py.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from fulldress.adapters import leftovers, nspawn, scope, scratch
from fulldress.store.state import state_dir


def main() -> int:
    """Power off what runs from the state directory, sweep, unmount, delete."""
    state = state_dir()
    for record in nspawn.listing():
        if Path(record.root).is_relative_to(state):
            sys.stderr.write(f"powering off machine {record.name}\n")
            nspawn.Machine(record).kill()
    for left in leftovers.sweep():
        sys.stderr.write(f"still there: {left.kind} {left.value}\n")
    scope.TAKE_AWAY["mount"](str(state / "scratch"))
    scratch.unmount(state, delete=True)
    shutil.rmtree(state)
    sys.stderr.write(f"deleted {state}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
