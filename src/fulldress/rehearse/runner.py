"""The orchestrator of a crash sweep as a process of its own, so that it can be killed at any moment like a real one.

It performs the plan by the same engine that runs it on production. At every boundary of a step it waits until it is told
to go on: what is done to it there is done exactly there. Forked from a server that has the engine loaded and no threads;
it dies with its maker.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fulldress import engine
from fulldress.adapters import procs
from fulldress.adapters.hosts import open_host
from fulldress.adapters.procs import Proc
from fulldress.errors import FulldressError
from fulldress.model.plan import PlanLock
from fulldress.ports import Completed, Host
from fulldress.store.blobs import BlobStore
from fulldress.store.journal import Journal

_PR_SET_PDEATHSIG = 1
LOOK_S = 0.5


class Task(NamedTuple):
    """What to perform."""

    lock: PlanLock
    host: str
    """Its address: it is looked up anew when the machine was booted again."""
    run_id: str
    state_dir: Path
    journal: Path
    blobs: BlobStore
    undo: bool = False
    stop_after: str | None = None


class Message(msgspec.Struct, frozen=True):
    """What a runner says. ``started`` and ``ended`` wait for ``go``; ``over`` and ``error`` are its last."""

    kind: str
    phase: str = ""
    step: str = ""
    code: int = 0
    state: str = ""
    text: str = ""
    outcome: bytes = b""


class Link:
    """The line between the runner and the machine, which can be cut from outside; a file shared with the runner."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(bytes(16))
        with path.open("r+b") as stream:
            self._shared = mmap.mmap(stream.fileno(), 16)

    @property
    def cut(self) -> bool:
        """While it is cut, no request arrives and no answer comes back."""
        return self._shared[0] == 1

    def sever(self) -> None:
        """Cut it."""
        self._shared[0] = 1

    def join(self) -> None:
        """Put it together again."""
        self._shared[0] = 0

    @property
    def lost(self) -> int:
        """Requests and answers that were lost so far."""
        return int.from_bytes(self._shared[8:16], "little")

    def lose(self) -> None:
        """Count one."""
        self._shared[8:16] = (self.lost + 1).to_bytes(8, "little")


class FarHost:
    """The machine as the runner sees it: over a line that can be cut, and found again after it was booted anew."""

    def __init__(self, address: str, link: Link) -> None:
        self._address, self._link = address, link
        self._host: Host | None = None

    @property
    def name(self) -> str:
        """Its address."""
        return self._address

    @property
    def root(self) -> Path | None:
        """Not seen from here: everything goes over the line."""
        return None

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        """Run a command; an answer that does not come back has no code."""
        if self._link.cut:
            self._link.lose()
            time.sleep(0.1)
            return Completed(code=None, stderr=b"the line is cut\n")
        try:
            done = self._now().run(argv, stdin=stdin, timeout_s=timeout_s, user=user)
        except FulldressError as error:  # it is down, or just booting
            return Completed(code=None, stderr=str(error).encode())
        if self._link.cut:
            self._link.lose()
            return Completed(code=None, stderr=b"the line was cut\n")
        if done.code is None:
            self._host = None
        return done

    def stream(self, argv: Sequence[str], *, user: str | None = None) -> Iterator[bytes]:
        """Run a command and yield its output."""
        return self._now().stream(argv, user=user)

    def read_file(self, path: str) -> bytes:
        """The bytes of a file."""
        return self._now().read_file(path)

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file."""
        self._now().write_file(path, data, mode=mode)

    def boot_id(self) -> str:
        """Which boot it is."""
        return self._now().boot_id()

    def _now(self) -> Host:
        if self._host is None or not getattr(self._host, "running", True):
            self._host = open_host(self._address)
        return self._host


class Runner:
    """A runner under way."""

    def __init__(self, task: Task, link: Link) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["fulldress.rehearse.runner"])
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(task, link.path, theirs, procs.me()), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self._process.pid or 0)

    def hear(self, seconds: float) -> Message | None:
        """Its next message, or None after so many seconds. A runner that is gone says ``gone``."""
        try:
            return self._ours.recv() if self._ours.poll(seconds) else None
        except (EOFError, OSError):
            self._process.join(10)
            return Message("gone", code=self._process.exitcode or 0)

    def go(self) -> None:
        """Let it go on after ``started`` or ``ended``."""
        with contextlib.suppress(OSError):
            self._ours.send("go")

    def kill(self) -> int | None:
        """SIGKILL; returns how it ended, which is minus nine when the signal ended it."""
        self._process.kill()
        self._process.join(10)
        return self._process.exitcode

    def close(self) -> None:
        """End it however it is, and let go of the line to it."""
        if self._process.is_alive():
            self.kill()
        self._process.join(10)
        self._ours.close()


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent, which must be this one, ends, however that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def follow(maker: Proc) -> None:
    """The same for a process started by the fork server, its parent, which lives as long as its children do."""

    def watch() -> None:
        while maker.alive:
            time.sleep(LOOK_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _main(task: Task, link: Path, line: Connection[Any, Any], maker: Proc) -> None:
    follow(maker)
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tell(event: engine.StepEvent) -> None:
        if event.kind in ("started", "ended"):
            line.send(Message(event.kind, event.phase, event.step.id, event.code or 0))
            line.recv()

    try:
        outcome = engine.perform(
            task.lock,
            FarHost(task.host, Link(link)),
            run_id=task.run_id,
            state_dir=task.state_dir,
            journal=Journal(task.journal),
            push=task.blobs.read,
            on_event=tell,
            undo=task.undo,
            stop_after=task.stop_after,
        )
        line.send(Message("over", state=outcome.state, text=outcome.reason, outcome=msgspec.json.encode(outcome)))
    except Exception as error:  # named boundary: a process that tells its maker why it ends
        line.send(Message("error", text=f"{type(error).__name__}: {error}"))
    line.close()
    os._exit(0)
