"""The guardian of a scope: sleeps until its maker's pipe ends or its maker is gone, then takes the scope's things away.

Run as ``python -m fulldress.adapters.guardian SCOPE``; standard input is the pipe. It outlives a kill -9 of its maker.
"""

from __future__ import annotations

import os
import select
import signal
import sys

from fulldress.adapters import scope

CHECK_S = 2.0


def main(scope_id: str) -> None:
    """Wait, then clear."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while (record := scope.load(scope_id)) is not None and record.owner.alive:
        # a child that its maker forked may hold the pipe open: look at the maker itself as well
        if select.select([0], [], [], CHECK_S)[0] and not os.read(0, 1):
            break
    scope.clear(scope_id)


if __name__ == "__main__":
    main(sys.argv[1])
