"""A run on production, from taking the target to its report; the steps themselves are the engine's.

Everything of a run lies in ``08-runs/<id>/``: its own copy of the plan's lock, ``run.json``, ``journal.jsonl`` and the
steps' outputs. Killed at any moment, the same directory tells the next command where to go on.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fulldress import engine
from fulldress.engine import Outcome, StepEvent
from fulldress.errors import TargetHeld, UsageError
from fulldress.formats.accesslog import parse
from fulldress.formats.endpoints import template
from fulldress.measure.load import from_access_log
from fulldress.model.changes import WriteSet
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import LoadReport, RunReport
from fulldress.ports import Host
from fulldress.run.guarding import Guarded
from fulldress.run.holder import Holder, give_back, take
from fulldress.store.codec import read_json, write_bytes, write_json
from fulldress.store.journal import Journal, read_journal

LOCK = "plan.lock.json"
LOG_TAIL = 32 << 20
"""Bytes of the access log that are read after a run."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a run needs from outside: the host, contents, where engines keep their databases, and who listens."""

    host: Host
    state_dir: Path
    push: Callable[[str], bytes]
    on_event: Callable[[StepEvent], None]
    stop: threading.Event
    access_log: str = ""
    slow_ms: float = 500.0
    writes: WriteSet | None = None
    """What the rehearsal saw the plan change: backed up first, and nobody else may write elsewhere meanwhile."""
    mirrored: float = 0.0
    """When the copy that was rehearsed on was begun, seconds since the epoch."""
    allowed: tuple[str, ...] = ()
    """``part:glob | reason`` lines of the release."""
    on_note: Callable[[str], None] = lambda _: None
    """Hears what is to be known before the first step."""


def now_text() -> str:
    """UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def open_run(directory: Path, lock: PlanLock, host: Host, *, operator: str, because: str, rehearsal: str) -> RunReport:
    """Write the run's first files and take the target. TargetHeld names another holder, and nothing is left then.

    The target is taken last: a runner killed in between leaves an unfinished run that says so, and no orphaned holder.
    """
    report = RunReport(
        id=directory.name,
        plan_digest=lock.digest,
        host=host.name,
        operator=operator,
        state="running",
        started=now_text(),
    )
    write_json(directory / LOCK, lock)
    facts = {"rehearsal": rehearsal} if rehearsal else {"without_rehearsal_because": because}
    Journal(directory / "journal.jsonl").append(
        "run-started", run=report.id, plan_digest=lock.digest, host=host.name, operator=operator, **facts
    )
    write_json(directory / "run.json", report)
    try:
        take(host, _holder(report, directory))
    except TargetHeld:
        shutil.rmtree(directory)
        raise
    return report


def _holder(report: RunReport, directory: Path) -> Holder:
    return Holder(run=report.id, operator=report.operator, since=report.started, folder=str(directory.parent.parent))


def carry_on(directory: Path, report: RunReport, job: Job, *, undo: bool = False, resumed: bool = False) -> Outcome:
    """Do (or undo) what is still to do of a run, and write its report. Raises what the engine raises."""
    lock = read_json(directory / LOCK, PlanLock)
    held = take(job.host, _holder(report, directory))
    journal = Journal(directory / "journal.jsonl")
    if resumed or undo:
        report = msgspec.structs.replace(report, resumed=report.resumed + (1 if resumed else 0), state="running")
        journal.append("run-resumed" if not undo else "rollback-asked", run=report.id, times=report.resumed)
        write_json(directory / "run.json", report)
    guarded = Guarded(job.host, report, journal, job.state_dir, job.writes, job.allowed, job.mirrored)
    if not undo:
        had = report.backup
        report = guarded.before(directory)
        if report.backup != had:
            job.on_note(report.backup)
    keep = _output_keeper(directory / "steps", guarded.watching(job.on_event, job.stop))
    outcome = engine.perform(
        lock,
        job.host,
        run_id=report.id.lower(),
        state_dir=job.state_dir,
        journal=journal,
        push=job.push,
        on_event=keep,
        undo=undo,
        stop=job.stop,
        fence=held.token,
    )
    report = guarded.after(outcome.state)
    if guarded.reason and outcome.state == "stopped":
        outcome = msgspec.structs.replace(outcome, reason=guarded.reason)
    _close(directory, report, job, outcome, journal)
    return outcome


def _close(directory: Path, report: RunReport, job: Job, outcome: Outcome, journal: Journal) -> None:
    """The report as things stand; a run that has ended lets the target go."""
    state = outcome.state
    if state == "stopped":
        journal.append("run-stopped", run=report.id)
        write_json(directory / "run.json", msgspec.structs.replace(report, steps=outcome.timings))
        return
    load = production_load(job, outcome.timings) if job.access_log else None
    final = msgspec.structs.replace(report, state=state, ended=now_text(), steps=outcome.timings, load=load)
    facts = {"failed_step": outcome.failed_step, "reason": outcome.reason, "kept": outcome.kept, "left": outcome.left}
    events = read_journal(journal.path)
    if not events or events[-1].kind != "run-ended":
        journal.append("run-ended", run=report.id, state=outcome.state, **{k: v for k, v in facts.items() if v})
    give_back(job.host, report.id)
    write_json(directory / "run.json", final)


def production_load(job: Job, steps: Iterable[msgspec.Struct]) -> LoadReport | None:
    """What users saw while the run went on, from the host's own access log; None when there is none to read."""
    times = [(getattr(s, "started", 0.0), getattr(s, "ended", 0.0)) for s in steps]
    if not times:
        return None
    started, ended = min(t[0] for t in times) - 2.0, max(t[1] for t in times) + 1.0
    read = job.host.run(["tail", "-c", str(LOG_TAIL), "--", job.access_log], timeout_s=120)
    if not read.ok or not read.stdout:
        return None
    lines = read.stdout.decode("utf-8", "replace").splitlines()[1 if len(read.stdout) >= LOG_TAIL else 0 :]
    try:
        requests = [r for r in parse(lines) if started <= r.at <= ended]
    except UsageError:  # a log without times: nothing can be measured, and that is said by the absence of figures
        return None
    if not requests:
        return None
    return from_access_log(requests, started, ended, endpoint=template, source=job.access_log, slow_ms=job.slow_ms)


def _output_keeper(directory: Path, tell: Callable[[StepEvent], None]) -> Callable[[StepEvent], None]:
    def keep(event: StepEvent) -> None:
        if event.kind == "ended" and event.output:
            write_bytes(directory / f"{event.step.id}.{event.phase}.log", event.output.encode("utf-8", "replace"))
        tell(event)

    return keep
