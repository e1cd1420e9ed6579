"""Processes named so that a recycled pid is never mistaken for the one we mean. Reads /proc, sends signals."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import msgspec


class Proc(msgspec.Struct, frozen=True):
    """A process: its pid and its start in clock ticks since the kernel booted."""

    pid: int
    start: int

    @property
    def alive(self) -> bool:
        """True while exactly this process exists and is not a zombie."""
        seen = _stat(self.pid)
        return seen is not None and seen[1] == self.start and seen[0] != "Z"

    def signal(self, number: int) -> None:
        """Send a signal, if it is still this process."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, *, patience_s: float = 5.0) -> None:
        """SIGKILL and wait until it is gone."""
        self.signal(signal.SIGKILL)
        wait_gone(self, patience_s)


def wait_gone(proc: Proc, seconds: float) -> bool:
    """Wait up to ``seconds`` for the process to end; says whether it did."""
    until = time.monotonic() + seconds
    while proc.alive:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def of(pid: int) -> Proc | None:
    """The process that has this pid now."""
    seen = _stat(pid)
    return None if seen is None else Proc(pid, seen[1])


def me() -> Proc:
    """This process."""
    found = of(os.getpid())
    assert found is not None, "a process can always read its own /proc entry"
    return found


def same_pid_namespace(proc: Proc) -> bool:
    """True when the process lives in our own pid namespace: then it is no container's init."""
    theirs, ours = Path(f"/proc/{proc.pid}/ns/pid"), Path("/proc/self/ns/pid")
    return theirs.readlink() == ours.readlink()


def children(parent: int) -> list[Proc]:
    """Direct children of a process, oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            seen = _stat(int(entry.name))
            if seen is not None and seen[2] == parent:
                found.append(Proc(int(entry.name), seen[1]))
    return sorted(found, key=lambda p: p.start)


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State letter, start, parent."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[19]), int(fields[1])
