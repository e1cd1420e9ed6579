"""One pass of a crash sweep: the plan forward and back on a clone, with faults on its way, and what it came to.

The runner waits at every boundary of a step; the pass does there what the item asks for, lets it go on, or starts another
runner when there is none any more. It ends when everything is undone, or when nothing more can be done about it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from fulldress.adapters.transient import HOME
from fulldress.enginework import Outcome
from fulldress.model.faults import Ending, Injection, Moment
from fulldress.model.plan import PlanLock
from fulldress.rehearse.crashes import CUT_S, Hit, Victim, instant
from fulldress.rehearse.crashtrail import Trail
from fulldress.rehearse.injections import Item, Played
from fulldress.rehearse.runner import Link, Message, Runner, Task
from fulldress.store.blobs import BlobStore
from fulldress.store.journal import read_journal

TRIES = 6
"""Calls of the engine that may end without an end (the host lost, an undo left over) before the pass gives up."""
POLL_S = 0.001
PATIENCE_S = 3600.0
"""A step that does not say anything for so long is not waited for any longer."""


class Ground(NamedTuple):
    """Where a pass is played."""

    lock: PlanLock
    victim: Victim
    link: Link
    blobs: BlobStore
    engine_dir: Path
    directory: Path
    """Takes the journals."""
    expected: Mapping[tuple[str, str], float]
    """(step, phase) -> seconds in the rehearsal."""
    trail: Trail


class Held(NamedTuple):
    """A fault that lasts: a cut line, a full disk."""

    injection: Injection
    lost: int
    """Answers that had been lost before it."""
    until: float


class Pass:
    """A pass under way."""

    def __init__(self, ground: Ground, item: Item, run_id: str) -> None:
        self.ground, self.item, self.run_id = ground, item, run_id
        self.open: dict[tuple[str, str, str], Injection] = {(i.phase, i.step, i.moment): i for i in item.injections}
        self.hit: list[Injection] = []
        self.journal = ground.directory / f"{run_id}.jsonl"
        self.way = "do"
        self.went_to_its_end = False
        self.state = ""
        self.outcome: Outcome | None = None
        self._tries = 0
        self._stopped = False
        self._held: Held | None = None

    def play(self) -> Played:
        """Play it to its end."""
        began = time.monotonic()
        said = ""
        for _ in range(TRIES + len(self.item.injections)):
            last = self._drive()
            if last.kind == "error":
                said = last.text
                self._tries += 1
                self._release()
            if self._over or self._tries >= TRIES:
                break
        self._release()
        return Played(
            reached=tuple(msgspec.structs.replace(one, ending=self._ending(one)) for one in self.hit),
            missed=tuple(self.open.values()),
            state=self.state,
            seconds=round(time.monotonic() - began, 3),
            timings=self.outcome.timings if self.outcome is not None else (),
            trouble="" if self._over else f"not undone: {said or self.state}"[:500],
            repeated=tuple(self._repeated()),
            seen=self.ground.trail.paths(),
        )

    @property
    def _over(self) -> bool:
        return self.state == "rolled-back"

    def _ending(self, one: Injection) -> Ending:
        if not self._over:
            return "stopped"
        forward = one.phase == "do" and one.recovery == "resume"
        return "completed" if forward and self.went_to_its_end else "rolled-back"

    # one runner

    def _drive(self) -> Message:
        """Start a runner and serve it until it is gone; decide which way the next one goes."""
        if self._stopped and self.way == "do":
            # killed behind the step after which it was to stop: a resumed run would go past it
            self.way, self.went_to_its_end = "undo", True
        ground = self.ground
        runner = Runner(
            Task(
                ground.lock,
                ground.victim.machine.name,
                self.run_id,
                ground.engine_dir,
                self.journal,
                ground.blobs,
                undo=self.way == "undo",
                stop_after=self.item.stop_after or None if self.way == "do" else None,
            ),
            ground.link,
        )
        try:
            last = self._serve(runner)
        finally:
            runner.close()
        if last.kind == "over":
            self._ended(last)
        return last

    def _serve(self, runner: Runner) -> Message:
        waiting: Injection | None = None
        silent = time.monotonic()
        while True:
            self._lapse()
            said = runner.hear(POLL_S if waiting else 0.2)
            if said is not None:
                silent, waiting = time.monotonic(), None
                if said.kind in ("over", "error", "gone"):
                    return said
                if self._boundary(runner, said):
                    return Message("gone")
                waiting = self.open.get((said.phase, said.step, "inside")) if said.kind == "started" else None
                runner.go()
            elif waiting is not None and self._job(waiting):
                if self._inside(runner, waiting):
                    return Message("gone")
                waiting = None
            elif time.monotonic() - silent > PATIENCE_S:
                return Message("error", text=f"nothing was heard of the runner for {PATIENCE_S:.0f} s")

    def _boundary(self, runner: Runner, said: Message) -> bool:
        """Do what is to be done between steps; True when the runner is gone."""
        moment: Moment = "before" if said.kind == "started" else "after"
        if moment == "after":
            self._release(said.step)
            if said.phase == "do" and said.step == self.item.stop_after and said.code == 0:
                self._stopped = True
        injection = self.open.get((said.phase, said.step, moment))
        return injection is not None and self._strike(runner, injection, "")

    # inside a step

    def _job(self, injection: Injection) -> str:
        """The job of the step whose script has begun and not ended, or empty."""
        victim = self.ground.victim
        for suffix in ("", ".2", ".3", ".4"):
            name = f"{self.run_id}-{injection.step}-{injection.phase}{suffix}"
            if victim.job_state(name) == "running" and victim.began(name):
                return name
        return ""

    def _inside(self, runner: Runner, injection: Injection) -> bool:
        """Wait for the point inside the step, freeze, look, strike; True when the runner is gone."""
        victim = self.ground.victim
        time.sleep(injection.point * self.ground.expected.get((injection.step, injection.phase), 0.0))
        with victim.frozen():
            job = self._job(injection)
            if not job:  # it was over: another pass tries sooner
                return False
            gone = self._strike(runner, injection, job)
        if injection.fault == "power-cut" and victim.job_state(job) == "done":
            self._noted(injection, Hit(False, "the step ended in the very moment of the power cut"))
        return gone

    # the faults

    def _strike(self, runner: Runner, injection: Injection, job: str) -> bool:
        """Do it; True when the runner is gone."""
        victim = self.ground.victim
        self.open.pop((injection.phase, injection.step, injection.moment))
        self.ground.trail.look(injection.step)
        hit = self._lasting(injection) or instant(victim, injection.fault, runner, job)
        if injection.recovery == "rollback" and not hit.runner_gone:
            victim.kill_runner(runner)
            hit = hit._replace(runner_gone=True)
        inside = "; the step had begun and not ended" if job else ""
        self.hit.append(injection)
        self._noted(injection, hit._replace(evidence=f"{hit.evidence}{inside}"))
        if injection.recovery == "rollback":
            self.way = "undo"
        return hit.runner_gone

    def _lasting(self, injection: Injection) -> Hit | None:
        """The faults that are not over as soon as they are done."""
        victim = self.ground.victim
        if injection.fault == "kill-database":
            hit, units = victim.kill_database()
            with contextlib.suppress(OSError):
                victim.machine.thaw()
            victim.start_again(units)
            return hit
        if injection.fault in ("cut-link", "disk-full"):
            self._held = Held(injection, self.ground.link.lost, time.monotonic() + CUT_S)
            return victim.fill() if injection.fault == "disk-full" else victim.cut_link()
        return None

    def _lapse(self) -> None:
        """A cut line is joined after a moment, once something was lost on it."""
        held = self._held
        if held is None or held.injection.fault != "cut-link" or time.monotonic() < held.until:
            return
        if self.ground.link.lost > held.lost:
            self._release()

    def _release(self, step: str = "") -> None:
        """End the fault that lasts; with ``step``, only a full disk of that step."""
        held = self._held
        if held is None or (step and (held.injection.fault != "disk-full" or held.injection.step != step)):
            return
        self._held = None
        if held.injection.fault == "disk-full":
            self.ground.victim.free()
        else:
            self._noted(held.injection, self.ground.victim.join_link(held.lost))

    def _noted(self, injection: Injection, hit: Hit) -> None:
        """Put down whether it fired and how that is known."""
        self.hit = [
            msgspec.structs.replace(one, fired=hit.fired, evidence=hit.evidence) if _same(one, injection) else one
            for one in self.hit
        ]

    def _ended(self, last: Message) -> None:
        """A runner came to an end of its own: forward is over, or everything is undone, or somebody must ask again."""
        self.outcome = msgspec.json.decode(last.outcome, type=Outcome)
        self.state = self.outcome.state
        if self.way == "do" and self.state in ("done", "stopped"):
            self.went_to_its_end = True
        elif not self._over:
            self._release()  # an operator looks at what was left, and gives the disk back
            self._tries += 1
        self.way = "undo"

    # was anything done twice?

    def _repeated(self) -> list[str]:
        """Steps whose acknowledged work was done again: more than one success of a phase on the machine or in the record."""
        steps = self.ground.victim.machine.root / HOME.lstrip("/") / "steps"
        codes = {folder.name: _code(folder / "result") for folder in steps.glob(f"{self.run_id}-*")}
        ids = [step.id for step in self.ground.lock.plan.step]
        return sorted({*repeated_jobs(codes, ids, self.run_id), *repeated_events(self.journal, self.run_id)})


def repeated_jobs(codes: Mapping[str, int | None], steps: list[str], run_id: str) -> list[str]:
    """Steps of which two jobs of one phase ended with 0; ``codes``: job -> exit code, None without a result."""
    found = []
    for step in steps:
        for words in (("do", "again"), ("undo", "undo-again")):
            names = [f"{run_id}-{step}-{word}" for word in words]
            good = [job for job, code in codes.items() if code == 0 and any(_is_try(job, name) for name in names)]
            if len(good) > 1:
                found.append(step)
    return found


def _is_try(job: str, name: str) -> bool:
    return job == name or (job.startswith(f"{name}.") and job[len(name) + 1 :].isdigit())


def repeated_events(journal: Path, run_id: str) -> list[str]:
    """Steps with an event that was written twice for one attempt."""
    seen: set[tuple[object, ...]] = set()
    found = []
    for event in read_journal(journal):
        key = (event.kind, event.data.get("step"), event.data.get("phase"), event.data.get("attempt"))
        if event.data.get("run") == run_id and event.kind in ("step-started", "step-ended"):
            if key in seen:
                found.append(str(event.data.get("step")))
            seen.add(key)
    return found


def _code(path: Path) -> int | None:
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _same(one: Injection, other: Injection) -> bool:
    return (one.phase, one.step, one.moment) == (other.phase, other.step, other.moment)
