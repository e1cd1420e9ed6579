"""A worker of a crash sweep: takes passes from the queue, plays each on a clone of its own, hands in what came of it.

Run as ``python -m fulldress.rehearse.sweepworker SPEC`` by the rehearsal that shares the work out, or inside
``fulldress rehearse --join`` on another machine. It dies with its maker, and its guardian takes its clones away. While a
pass is played, a process beside it keeps the lease; that process dies with the worker, so a dead worker loses its item.
"""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from fulldress.adapters import nspawn, procs, scope
from fulldress.adapters.procs import Proc
from fulldress.enginequeue import WorkQueue
from fulldress.errors import FulldressError
from fulldress.model.faults import Fault
from fulldress.model.plan import PlanLock
from fulldress.model.proof import Allowed
from fulldress.model.release import Release
from fulldress.rehearse import clones
from fulldress.rehearse.crashbench import Bench
from fulldress.rehearse.injections import Item, Played
from fulldress.rehearse.mirror import Mirror
from fulldress.rehearse.network import Wiring
from fulldress.rehearse.outside import Outside
from fulldress.rehearse.runner import die_with, follow
from fulldress.rehearse.setting import Setting, quiet
from fulldress.store.blobs import BlobStore

RENEW_S = 2.0
IDLE_S = 0.2


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all workers of a sweep must agree on; lies in the queue."""

    id: str
    plan_digest: str
    host: str
    faults: tuple[Fault, ...]
    expected: tuple[tuple[str, str, float], ...]
    """Step, phase, seconds in the rehearsal."""
    wiring: Wiring
    """Production's addresses: who joins need not reach production."""
    driver: str = "overlay"
    """What makes the clones."""


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker process is told by its maker, in a file of its own."""

    queue: str
    work: str
    parent: int
    number: int
    release: Release
    lock: PlanLock
    mirror: Mirror
    blobs: str
    scratch: str
    directory: str
    outside: Outside
    allowed: tuple[Allowed, ...]


def main(path: str) -> int:
    """Work until there is no more."""
    spec = msgspec.json.decode(Path(path).read_bytes(), type=Spec)
    die_with(spec.parent)
    queue = WorkQueue(spec.queue, spec.work)
    facts = queue.facts()
    if facts is None:
        return 0
    shared = msgspec.json.decode(facts, type=Shared)
    with scope.Scope(f"sweep{spec.number}") as keeper:
        setting = quiet(
            f"{shared.id}w{spec.number:03d}",
            spec.release,
            spec.mirror,
            blobs=BlobStore(Path(spec.blobs)),
            directory=Path(spec.directory) / f"worker{spec.number}",
            engine_dir=Path(spec.directory) / f"engine{spec.number}",
            scratch=Path(spec.scratch),
            keeper=keeper,
            driver=clones.driver(shared.driver, keeper, nspawn.boot, staging=spec.release.staging),
            outside=spec.outside,
            allowed=spec.allowed,
        )._replace(wiring=shared.wiring)
        keeper.keep("tree", str(setting.directory))
        keeper.keep("tree", str(setting.engine_dir))
        work(queue, shared, setting, spec.lock)
    return 0


def work(queue: WorkQueue, shared: Shared, setting: Setting, lock: PlanLock) -> int:
    """Take and play until the work is closed; returns how many passes were played."""
    owner = f"{socket.gethostname()[:40]}:{secrets.token_hex(4)}:{os.getpid()}"
    worker, played = _Worker(shared, setting, lock), 0
    beside = multiprocessing.get_context("forkserver").Process(
        target=_renew, args=(queue.url, queue.work, queue.lease_s, owner, procs.me()), daemon=True
    )
    beside.start()
    try:
        while queue.facts() is not None:
            taken = queue.take(owner)
            if taken is None:
                time.sleep(IDLE_S)
                continue
            item = msgspec.json.decode(taken.body, type=Item)
            result = worker.play(item, f"{shared.id}.{taken.number}.{taken.takes}".lower())
            queue.report(taken.number, owner, msgspec.json.encode(result))
            played += 1
    finally:
        worker.discard()
        beside.kill()
        beside.join(5)
    return played


class _Worker:
    """The clone in use, if any."""

    def __init__(self, shared: Shared, setting: Setting, lock: PlanLock) -> None:
        self._shared, self._setting, self._lock = shared, setting, lock
        self._bench: Bench | None = None
        self._expected = {(step, phase): seconds for step, phase, seconds in shared.expected}

    def play(self, item: Item, run_id: str) -> Played:
        """Play a pass on the clone at hand, or on a fresh one when that is asked for or needed."""
        try:
            played = self._on(item).play(item, run_id)
        except (FulldressError, OSError) as error:  # the clone did not boot, the state could not be read: nothing was shown
            self.discard()
            return Played(missed=item.injections, trouble=f"{type(error).__name__}: {error}"[:500], state="not-run")
        if not played.clean:
            self.discard()
        self._learn(played)
        return played

    def _learn(self, played: Played) -> None:
        """Here steps may be over sooner than where they were measured, and the middle of them comes sooner."""
        for timing in played.timings:
            key, seconds = (timing.id, timing.phase), timing.ended - timing.started
            if timing.code == 0 and seconds < self._expected.get(key, 0.0):
                self._expected[key] = seconds

    def _on(self, item: Item) -> Bench:
        own_disk = any(one.fault == "disk-full" for one in item.injections)
        bench = self._bench
        if bench is not None and (bench.own_disk != own_disk or (item.fresh and bench.used)):
            self.discard()
            bench = None
        if bench is None:
            bench = Bench(self._setting, self._lock, self._expected, self._shared.faults, own_disk=own_disk).__enter__()
            self._bench = bench
        return bench

    def discard(self) -> None:
        """Throw the clone away."""
        bench, self._bench = self._bench, None
        if bench is not None:
            bench.__exit__(None, None, None)


def _renew(url: str, work_id: str, lease_s: float, owner: str, worker: Proc) -> None:
    """Beside a worker: says that it lives, as long as it lives."""
    follow(worker)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    queue: Any = WorkQueue(url, work_id, lease_s=lease_s)
    while True:
        time.sleep(RENEW_S)
        try:
            queue.renew(owner)
        except FulldressError:  # the server is away: the lease runs out unless it is back in time
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
