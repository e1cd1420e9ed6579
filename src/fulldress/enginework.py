"""What one step of a run does: its job on the host, its events in the journal, its place in the outcome.

Used by :mod:`fulldress.engine` only; knows nothing of DBOS. Every event is keyed by run, step, phase and attempt, and is
written once however often a step is asked for.
"""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from fulldress.adapters.transient import HOME, Job, Report, push_blobs, revoke, run_job
from fulldress.errors import FulldressError, StateDiskFull, UsageError
from fulldress.formats.hosttext import clean
from fulldress.model.plan import PlanLock, Step, StepScripts, StepTiming
from fulldress.ports import Host
from fulldress.steps import kinds
from fulldress.store.codec import disk_full_or
from fulldress.store.journal import Event, Journal, read_journal

ROOM = 2 << 20
"""Bytes that must be free in the state directory before a step begins: enough to record how it ends."""
PRECONDITION, VERIFY, UNKNOWN = 97, 98, 99

RunState = Literal["done", "failed", "rolled-back", "rollback-incomplete", "stopped"]


class StepEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What is told while a run goes on. ``kind``: ``started``, ``running``, ``ended``."""

    kind: str
    phase: str
    step: Step
    at: float
    code: int | None = None
    output: str = ""
    timing: StepTiming | None = None
    resumed: bool = False
    """True when an earlier process had already said so."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a call of ``perform`` ended. ``kept``: steps that have no undo; ``left``: steps whose undo failed."""

    run_id: str
    state: RunState
    timings: tuple[StepTiming, ...]
    failed_step: str = ""
    reason: str = ""
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class Live:
    """A run as this process sees it."""

    def __init__(
        self,
        lock: PlanLock,
        host: Host,
        run_id: str,
        folder: Path,
        journal: Journal,
        phase: str,
        *,
        on_event: Callable[[StepEvent], None] | None,
        stop: threading.Event,
        stop_after: str | None,
        fence: str = "",
    ) -> None:
        self.fence = fence
        self.lock, self.host, self.run_id, self.folder, self.journal, self.phase = lock, host, run_id, folder, journal, phase
        self.on_event, self.stop, self.stop_after = on_event, stop, stop_after
        self.steps = {s.id: s for s in lock.plan.step}
        self.scripts = {s.id: s for s in lock.scripts}
        if stop_after is not None and stop_after not in self.steps:
            raise UsageError(f"the plan has no step {stop_after!r}", fix=f"its steps are {', '.join(self.steps)}")
        self.finished = threading.Event()
        self.abandoned = threading.Event()
        self.failure: Exception | None = None
        self.stopped_early = False
        self.events = {_key(e): e for e in read_journal(journal.path) if e.data.get("run") == run_id}

    # what the workflow asks

    def must_stop(self, phase: str) -> bool:
        """True when no further step of this phase may begin."""
        if self.stop.is_set() or (phase == "do" and self.phase == "undo"):
            self.stopped_early = self.stopped_early or phase == self.phase
            return True
        return False

    def step(self, phase: str, ident: str, attempt: int) -> int:
        """Do or undo one step, once; returns its exit code (0 is good)."""
        ended = self.events.get((ident, phase, attempt, "step-ended"))
        if ended is not None:
            return int(ended.data["code"])
        self.room()
        if self.abandoned.is_set():
            raise FulldressError("the call that asked for this step is over", fix="fulldress resume")
        step, scripts = self.steps[ident], self.scripts[ident]
        fresh = self.once("step-started", ident, phase, attempt, title=step.title, step_kind=step.kind)
        self._tell("started", phase, step, resumed=not fresh)
        report = self._undo(step, scripts, attempt) if phase == "undo" else self._do(step, scripts, attempt)
        return self._end(step, phase, attempt, report)

    def _end(self, step: Step, phase: str, attempt: int, report: Report) -> int:
        started = self.events[step.id, phase, attempt, "step-started"].at
        code = UNKNOWN if report.code is None else report.code
        timing = StepTiming(
            id=step.id,
            title=step.title,
            kind=step.kind,
            phase=phase,
            started=report.started or started,
            ended=report.ended or time.time(),
            code=code,
            output=clean(report.output),
        )
        self.once(
            "step-ended", step.id, phase, attempt, code=code, timing=msgspec.to_builtins(timing), leftovers=report.leftovers
        )
        self._tell("ended", phase, step, code=code, output=clean(report.output, 1 << 16), timing=timing)
        return code

    # jobs on the host

    def _do(self, step: Step, scripts: StepScripts, attempt: int) -> Report:
        report = self._run(self._job(step, "do", attempt, do_body(scripts)), self._running("do", step))
        if report.state == "done":
            return report
        # the host died inside the step: ask what holds, never run it again blindly, unless it changes nothing anyway
        if step.kind in _harmless():
            return self._again(step, scripts, attempt)
        if not scripts.verify_after:
            return _with(report, "the host went down inside this step, and nothing can tell whether it was done")
        probe = self._run(self._job(step, "probe", attempt, _call(scripts.verify_after)))
        if probe.state == "done" and probe.code == 0:
            return _with(probe, "the host went down inside this step; its effect is there")
        return self._again(step, scripts, attempt)

    def _again(self, step: Step, scripts: StepScripts, attempt: int) -> Report:
        again = self._run(self._job(step, "again", attempt, do_body(scripts)), self._running("do", step))
        return again if again.state == "done" else _with(again, "the host went down inside this step twice")

    def _undo(self, step: Step, scripts: StepScripts, attempt: int) -> Report:
        tries = [a for (i, p, a, k) in self.events if i == step.id and p == "do" and k == "step-started"]
        for number in [n for n in tries[-1:] if (step.id, "do", n, "step-ended") not in self.events]:
            doing = self._job(step, "do", number, do_body(scripts))
            settled = revoke(self.host, doing, wait_s=0.1)
            while settled.state == "running":
                self._tell("running", "undo", step, output="waiting for the step to end before it is undone")
                settled = revoke(self.host, doing, wait_s=10.0)
        if not scripts.undo:
            return Report(state="done", code=0, output=step.irreversible_because)
        report = self._run(self._job(step, "undo", attempt, _call(scripts.undo)), self._running("undo", step))
        if report.state == "unknown":  # undos are made to be repeated
            report = self._run(self._job(step, "undo-again", attempt, _call(scripts.undo)))
        return report

    def _run(self, job: Job, on_wait: Callable[[Report], None] | None = None) -> Report:
        return run_job(self.host, job, on_wait, self.abandoned.is_set)

    def _job(self, step: Step, what: str, attempt: int, body: str) -> Job:
        suffix = "" if attempt == 1 else f".{attempt}"
        env = {
            "FD_RUN": self.run_id,
            "FD_STEP": step.id,
            "FD_UNDO": f"{HOME}/undo/{self.run_id}/{step.id}",
            "FD_BLOBS": f"{HOME}/blobs",
            "FD_FENCE": self.fence,
        }
        return Job(name=f"{self.run_id}-{step.id}-{what}{suffix}", body=body, timeout_s=step.timeout_s, env=env)

    def push(self, read: Callable[[str], bytes]) -> None:
        """Bring every content that the plan needs (undo included) to the host, before its first step."""
        push_blobs(self.host, [sha for s in self.lock.scripts for sha in s.blobs], read)

    # the record

    def once(self, kind: str, ident: str, phase: str, attempt: int, **data: Any) -> bool:
        """Write an event unless it was written before; True when it is new."""
        key = (ident, phase, attempt, kind)
        if key in self.events:
            return False
        event = self.journal.append(kind, run=self.run_id, step=ident, phase=phase, attempt=attempt, **data)
        self.events[key] = event
        return True

    def room(self) -> None:
        """Raises StateDiskFull when the end of a step could not be recorded."""
        for place in (self.folder, self.journal.path.parent):
            free = os.statvfs(place)
            if free.f_bavail * free.f_frsize < ROOM:
                raise disk_full_or(OSError(28, "no room"), place / "journal")

    def disk_full_or(self, error: Exception) -> Exception:
        """StateDiskFull when SQLite says so."""
        if "disk is full" not in str(error) and "disk I/O" not in str(error):
            return error
        full = disk_full_or(OSError(28, "no room"), self.folder / "engine.sqlite")
        return full if isinstance(full, StateDiskFull) else error

    def _running(self, phase: str, step: Step) -> Callable[[Report], None]:
        return lambda report: self._tell("running", phase, step, output=clean(report.output))

    def _tell(self, kind: str, phase: str, step: Step, **more: Any) -> None:
        if self.on_event:
            self.on_event(StepEvent(kind=kind, phase=phase, step=step, at=time.time(), **more))

    def ended(self, phase: str) -> dict[str, Event]:
        """The last end of each step in a phase."""
        found = {}
        for (ident, p, _, kind), event in self.events.items():
            if p == phase and kind == "step-ended":
                found[ident] = event
        return found

    def begun(self) -> list[str]:
        """Steps whose do began, in the order of the plan."""
        seen = {i for (i, p, _, k) in self.events if p == "do" and k == "step-started"}
        return [i for i in self.steps if i in seen]

    def outcome(self) -> Outcome:
        """How things stand, read from the journal's events."""
        did, undid = self.ended("do"), self.ended("undo")
        events = [e for (_, _, _, kind), e in self.events.items() if kind == "step-ended"]
        timings = tuple(msgspec.convert(e.data["timing"], StepTiming) for e in sorted(events, key=lambda e: e.seq))
        failed = next((i for i, e in did.items() if e.data["code"] != 0), "")
        left = tuple(i for i, e in undid.items() if e.data["code"] != 0)
        kept = tuple(i for i in undid if not self.scripts[i].undo and self.steps[i].irreversible_because)
        state: RunState
        if undid or self.phase == "undo":
            all_undone = all(i in undid for i in self.begun())
            state = "rollback-incomplete" if left else "rolled-back" if all_undone else "stopped"
        elif failed:
            state = "failed"
        else:
            state = "done" if len(did) == len(self.steps) else "stopped"
        reason = _reason(self.steps[failed], did[failed]) if failed else ""
        return Outcome(
            run_id=self.run_id, state=state, timings=timings, failed_step=failed, reason=reason, kept=kept, left=left
        )


def _harmless() -> frozenset[str]:
    """Kinds of steps that change nothing: they may be run again when nobody knows how they ended."""
    return frozenset(slug for slug, kind in kinds().items() if not kind.KIND.needs_undo)


def todo(live: Live, phase: str, rollback: bool) -> dict[str, Any]:
    """What is still to do in this phase, with the attempt of each step; plain data, recorded by the engine."""
    did, undid = live.ended("do"), live.ended("undo")
    items: list[list[Any]] = []
    if phase == "undo" or (undid and rollback):  # a rollback that had begun is finished, not turned round
        for ident in reversed(live.begun()):
            ended = undid.get(ident)
            if ended is None or ended.data["code"] != 0:
                items.append([ident, _next(live, ident, "undo")])
        return {"phase": "undo", "items": items, "begun": [], "rollback": rollback}
    failed = any(e.data["code"] != 0 for e in did.values())
    if failed and rollback:
        return {"phase": "undo", "items": [[i, 1] for i in reversed(live.begun())], "begun": [], "rollback": True}
    begun = [[i, _last(live, i)] for i in live.begun() if i in did and did[i].data["code"] == 0]
    items = [[i, _next(live, i, "do")] for i in live.steps if i not in did or did[i].data["code"] != 0]
    return {"phase": "do", "items": items, "begun": begun, "rollback": rollback}


def _next(live: Live, ident: str, phase: str) -> int:
    """The attempt that is open, or the one after the last that ended."""
    ended = [a for (i, p, a, k) in live.events if i == ident and p == phase and k == "step-ended"]
    return max(ended, default=0) + 1


def _last(live: Live, ident: str) -> int:
    return max(a for (i, p, a, k) in live.events if i == ident and p == "do" and k == "step-started")


def do_body(scripts: StepScripts) -> str:
    """The script of a step's do phase: precondition, the work, the effect."""
    parts = []
    if scripts.verify_before:
        parts.append(
            f"{_call(scripts.verify_before)} || {{ echo 'fulldress: the precondition does not hold'; exit {PRECONDITION}; }}"
        )
    parts.append(f"{_call(scripts.do)} || exit $?")
    if scripts.verify_after:
        check = _call(scripts.verify_after)
        parts.append(
            f"fd_holds() {{ {check}\n}}\nfor fd_try in 1 2 3 4; do ! fd_holds || exit 0; sleep 0.4; done\nfd_holds ||"
        )
        parts[-1] += f" {{ echo 'fulldress: it ran, but its effect is not there'; exit {VERIFY}; }}"
    return "\n".join(parts) + "\n"


def _call(script: str) -> str:
    if len(script) > 100_000:
        raise UsageError("a step's script is too long", fix="move its text into a file of the package")
    return f"bash -c {shlex.quote(script)} fulldress"


def _key(event: Event) -> tuple[str, str, int, str]:
    return (str(event.data.get("step", "")), str(event.data.get("phase", "")), int(event.data.get("attempt", 0)), event.kind)


def _with(report: Report, text: str) -> Report:
    return msgspec.structs.replace(report, output=f"{report.output}\n{text}".strip())


def _reason(step: Step, ended: Event) -> str:
    code, output = int(ended.data["code"]), str(ended.data["timing"].get("output", ""))
    why = {
        124: f"it took longer than {step.timeout_s:.0f} s",
        PRECONDITION: "its precondition does not hold",
        VERIFY: "it ran, but its effect is not there",
        UNKNOWN: "the host went down inside it",
    }.get(code, f"it exited {code}")
    last = output.strip().splitlines()[-1:] or [""]
    return f"{why}: {last[0]}" if last[0] and code not in (PRECONDITION, VERIFY) else why
