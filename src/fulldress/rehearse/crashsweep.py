"""The crash sweep: rollback from every step and a fault at every moment, shared out to workers over a queue.

Workers are processes of their own (one run at a time in a process), on this machine or on others that join. They end with
this one, however it ends; what they had made is taken away by their guardians.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from fulldress.adapters import procs
from fulldress.adapters.scratch import ensure_free
from fulldress.enginequeue import WorkQueue
from fulldress.errors import FulldressError, UsageError
from fulldress.model.faults import Sweep, UndoneFrom
from fulldress.model.plan import PlanLock, StepTiming
from fulldress.model.rehearsal import Act
from fulldress.rehearse.forecast import Forecast, mixed
from fulldress.rehearse.injections import Item, Played, injections, pack, prefixes
from fulldress.rehearse.setting import Setting
from fulldress.rehearse.sweepworker import Shared, Spec
from fulldress.rehearse.tally import Tally
from fulldress.rehearse.traffic import child_environment
from fulldress.store.codec import write_bytes

POLL_S = 0.2
LEAD_S = 5.0
SAY_S = 60.0
ROOM_PER_CLONE = 1 << 30
"""Bytes that a clone of the sweep may come to write, at least."""


class SweepStopped(FulldressError):
    """Every worker of the sweep ended before the work was done, so it would never end. Nothing of it counts.

    What they said last is shown; ``fulldress doctor`` tries what a clone needs. Then rehearse again.
    """

    slug = "sweep-stopped"


def ensure_sweepable(setting: Setting) -> None:
    """Raises UsageError on a staging host: several workers would play on one host, and none can break it on purpose."""
    if setting.wanted.sweeps and not setting.driver.full_dress:
        raise UsageError(
            "rollbacks from every step and crashes cannot be played on a staging host",
            why="it is one host, for several workers; and it can be neither frozen nor cut off from power",
            fix="leave --undo-at and --crash out, or use --driver overlay",
        )


def ensure_room(setting: Setting) -> None:
    """Refuse before anything is begun when the clones would not fit. Raises StateDiskFull."""
    number = max(1, setting.wanted.workers if setting.wanted.sweeps else 1)
    need = number * max(ROOM_PER_CLONE, setting.mirror.database_bytes)
    ensure_free(setting.scratch, need, f"{number} clone{'s' if number > 1 else ''} of {setting.mirror.host}")


class Swept(NamedTuple):
    """What came of it."""

    sweep: Sweep
    timings: Sequence[StepTiming] = ()
    """The durations of the steps in undisturbed rollbacks."""
    seen: Mapping[str, str] = MappingProxyType({})
    """Paths that were written when something was broken -> the step."""


def sweep(setting: Setting, lock: PlanLock, back: Act) -> Swept:
    """Play everything that was asked for.

    ``back`` is the act forward and back on a quiet clone: the rollback after the last step, and what it leaves by itself.
    """
    began = time.monotonic()
    if sum(1 for step in back.steps if step.phase == "do" and step.code == 0) < len(lock.plan.step):
        return Swept(Sweep(workers=0, notes=("nothing was tried: the plan itself did not go through on a quiet clone",)))
    known = back.proof.differences if back.proof is not None else ()
    tally = Tally(lock, known)
    passes = pack(injections(lock, setting.wanted), lock) if setting.wanted.crash else []
    items = mixed(prefixes(setting.wanted, lock), passes)
    if setting.wanted.undo_at and setting.wanted.undo_at[-1] == lock.plan.step[-1].id:
        tally.undone.append(_from_the_end(lock, back))
    workers = 0
    if items:
        with _shared_out(setting, lock, back) as (queue, crew):
            workers = _conduct(setting, queue, crew, tally, Forecast(lock, back.steps), items)
    found = Sweep(
        undone=tally.sorted_undone(),
        injections=tally.sorted_injections(),
        workers=workers,
        seconds=round(time.monotonic() - began, 3),
        notes=tuple(tally.notes),
    )
    return Swept(found, tally.timings, tally.seen)


def _from_the_end(lock: PlanLock, back: Act) -> UndoneFrom:
    """The rollback after the last step is the rehearsal's own act."""
    proof, undone = back.proof, [step for step in back.steps if step.phase == "undo"]
    return UndoneFrom(
        step=lock.plan.step[-1].id,
        steps=len(lock.plan.step),
        equal=proof is not None and proof.equal,
        differences=proof.differences[:20] if proof is not None else (),
        effects_left=sum(1 for effect in back.effects if not effect.closed),
        seconds=round(sum(step.ended - step.started for step in undone), 3),
    )


@contextlib.contextmanager
def _shared_out(setting: Setting, lock: PlanLock, back: Act) -> Iterator[tuple[WorkQueue, list[subprocess.Popen[bytes]]]]:
    """The queue with its facts, and the workers of this machine; both are gone afterwards."""
    home = setting.engine_dir / "sweep"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    queue = WorkQueue(setting.wanted.queue or f"sqlite:///{home / 'queue.sqlite'}", setting.id)
    shared = Shared(
        id=setting.id,
        plan_digest=lock.digest,
        host=setting.mirror.host,
        faults=setting.wanted.faults if setting.wanted.crash else (),
        expected=tuple((step.id, step.phase, round(step.ended - step.started, 4)) for step in back.steps),
        wiring=setting.wiring,
        driver=setting.driver.name,
    )
    queue.open(msgspec.json.encode(shared))
    if setting.wanted.queue:
        setting.progress.note(f"the crash sweep has begun; join it now: fulldress rehearse --join URL {setting.id}")
    crew: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(1, setting.wanted.workers + 1):
            crew.append(_hire(setting, lock, queue, home, number))
        yield queue, crew
    finally:
        with contextlib.suppress(FulldressError):  # the server is gone: its leases end by themselves
            queue.close()
        for worker in crew:
            _dismiss(worker)


def _hire(setting: Setting, lock: PlanLock, queue: WorkQueue, home: Path, number: int) -> subprocess.Popen[bytes]:
    spec = Spec(
        queue=queue.url,
        work=queue.work,
        parent=os.getpid(),
        number=number,
        release=setting.release,
        lock=lock,
        mirror=setting.mirror,
        blobs=str(setting.blobs.root),
        scratch=str(setting.scratch),
        directory=str(home),
        outside=setting.outside,
        allowed=setting.allowed,
    )
    path = home / f"worker{number}.json"
    write_bytes(path, msgspec.json.encode(spec), mode=0o600)
    with (home / f"worker{number}.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "fulldress.rehearse.sweepworker", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=child_environment(),
            start_new_session=True,  # Ctrl-C is for us: we end them
        )
    found = procs.of(worker.pid)
    if found is not None:
        setting.keeper.keep("process", f"{found.pid}:{found.start}")
    return worker


def _dismiss(worker: subprocess.Popen[bytes]) -> None:
    """The work is closed, so it ends by itself and cleans up; one that does not is killed, and its guardian cleans up."""
    try:
        worker.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _conduct(
    setting: Setting,
    queue: WorkQueue,
    crew: Sequence[subprocess.Popen[bytes]],
    tally: Tally,
    forecast: Forecast,
    items: Sequence[Item],
) -> int:
    """Hand out passes, take results, hand out what follows from them; returns how many workers took part."""
    progress, waiting = setting.progress, dict(zip(queue.put(map(msgspec.json.encode, items)), items, strict=True))
    asked = sum(len(item.injections) or 1 for item in items)
    here = f"{len(crew)} clone{'' if len(crew) == 1 else 's side by side'} here"
    progress.start(f"crash sweep: {asked} rollbacks and faults, {here}", asked)
    known: set[int] = set()
    heard, led, said = 0, 0.0, time.monotonic()
    while waiting:
        time.sleep(POLL_S)
        if time.monotonic() - led > LEAD_S:
            led = time.monotonic()
            queue.lead()
        for number, result in sorted(queue.results(known).items()):
            known.add(number)
            item, played = waiting.pop(number), msgspec.json.decode(result, type=Played)
            forecast.took(item, played)
            follow = tally.take(item, played)
            waiting.update(zip(queue.put(map(msgspec.json.encode, follow)), follow, strict=True))
        for number in queue.given_up():
            if number in waiting:
                known.add(number)
                tally.give_up(waiting.pop(number))
        settled = len(tally.injections) + len(tally.undone)
        progress.advance(settled - heard)
        heard = settled
        if time.monotonic() - said > SAY_S:
            said, left = time.monotonic(), forecast.left(waiting.values(), len(queue.holders()))
            progress.note(f"crash sweep: {settled} of {asked}, about {max(1, round(left / 60))} min left")
        if waiting and crew and all(worker.poll() is not None for worker in crew):
            raise _stopped(setting)
    progress.finish()
    return len(queue.owners())


def _stopped(setting: Setting) -> SweepStopped:
    said = ""
    for log in sorted((setting.engine_dir / "sweep").glob("worker*.log")):
        said = log.read_text(errors="backslashreplace").strip()[-600:] or said
    return SweepStopped("every worker of the crash sweep has ended", why=said, fix="fulldress doctor, then rehearse again")
