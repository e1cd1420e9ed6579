"""One demo at a time on this computer: its machine, its two network namespaces and their names exist once.

A demo that starts beside another one would take the other's machine and network away; so it refuses, or waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fulldress.errors import FulldressError

LOCK = Path("/run/fulldress/demo.lock")
"""Held while a demo plays. Like the namespaces, it is this computer's and not a state directory's."""


class DemoPlays(FulldressError):
    """Another demo plays on this computer."""

    slug = "demo-plays"


@contextlib.contextmanager
def alone(wait_s: float = 0.0, *, lock: Path | None = None) -> Iterator[None]:
    """Hold the stage; DemoPlays when another demo still holds it after ``wait_s`` seconds.

    The kernel takes the lock back when its holder dies, however it dies: a file that is there says nothing.
    """
    path = lock or LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        end = time.monotonic() + wait_s
        while not _taken(handle):
            if time.monotonic() >= end:
                raise _refused(handle, wait_s)
            time.sleep(0.2)
        handle.truncate(0)
        handle.write(f"process {os.getpid()}, in {Path.cwd()}, since {time.strftime('%H:%M:%S')}")
        handle.flush()
        yield


def _taken(handle: IO[str]) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refused(handle: IO[str], waited_s: float) -> DemoPlays:
    handle.seek(0)
    holder = handle.read() or "it has just begun"
    waited = f" still, after {waited_s:.0f} s" if waited_s else ""
    return DemoPlays(
        f"another demo plays on this computer{waited} ({holder})",
        why="both would use one machine and one network of the same name; nothing of it was touched",
        fix="let it end, or start this one with --wait 600: it begins when the other has ended",
    )
