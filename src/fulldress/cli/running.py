"""A run on the terminal: what each step is about to break, how long it took against its rehearsal, how it all ended.

Shared by run, resume and rollback; joins the run stage to the terminal, decides nothing.
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from fulldress.adapters.hosts import open_host
from fulldress.cli.pagework import write_page
from fulldress.cli.stagework import next_command
from fulldress.engine import Outcome, StepEvent
from fulldress.errors import EXIT_INTERRUPTED, RollbackIncomplete, RolledBack, StepFailed
from fulldress.formats.hosttext import printable
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import RunReport
from fulldress.run.drift import Drift
from fulldress.run.gate import rehearsals, rehearsed_seconds
from fulldress.run.perform import LOCK, Job, carry_on
from fulldress.store import folder as f
from fulldress.store.blobs import BlobStore
from fulldress.store.codec import read_json
from fulldress.store.folder import ReleaseFolder
from fulldress.store.state import state_dir


def operator() -> str:
    """Who sits here: the user behind sudo where there is one, and the machine."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


class Screen:
    """Prints a run's events as lines, one before and one after each step."""

    def __init__(self, lock: PlanLock, rehearsed: dict[str, float]) -> None:
        self.ids = [s.id for s in lock.plan.step]
        self.rehearsed = rehearsed

    def __call__(self, event: StepEvent) -> None:
        """Show one event; text from the host and from the plan is escaped."""
        number = f"[{self.ids.index(event.step.id) + 1:>2}/{len(self.ids)}]"
        title = printable(event.step.title)
        if event.kind == "started":
            if event.phase == "do" and event.step.breaks:
                click.echo(click.style(f"{number} now: {printable(event.step.breaks)}", fg="yellow"))
        elif event.kind == "ended" and event.timing is not None:
            took = event.timing.ended - event.timing.started
            before = self.rehearsed.get(event.step.id) if event.phase == "do" else None
            beside = f" (rehearsed {before:.1f} s)" if before is not None else ""
            mark = (
                click.style("✓" if event.phase == "do" else "↶", fg="green")
                if event.code == 0
                else click.style("✗", fg="red")
            )
            click.echo(f"{number} {mark} {title:<52} {took:7.1f} s{beside}")
            if event.code != 0:
                click.echo("".join(f"        {line}\n" for line in event.output.strip().splitlines()[-12:]), nl=False)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Ctrl-C (or SIGTERM) asks for a stop after the step that is under way."""
    stop = threading.Event()

    def ask(number: int, frame: object) -> None:
        del number, frame
        if not stop.is_set():
            click.echo("\nstopping after this step", err=True)
        stop.set()

    before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def go(folder: ReleaseFolder, directory: Path, report: RunReport, *, undo: bool = False, resumed: bool = False) -> int:
    """Carry a run on and say how it ended; the exit code, or the error that tells it."""
    lock = read_json(directory / LOCK, PlanLock)
    release = folder.release()
    same = [r for r in rehearsals(folder) if r.plan_digest == lock.digest]
    screen = Screen(lock, rehearsed_seconds(same[-1] if same else None))
    with stoppable() as stop:
        job = Job(
            host=open_host(lock.plan.host),
            state_dir=state_dir(),
            push=BlobStore(state_dir() / "blobs").read,
            on_event=screen,
            stop=stop,
            access_log=release.estate.access_log,
            slow_ms=release.objectives.slow_ms,
            writes=same[-1].write_set if same else None,
            mirrored=same[-1].mirror.refreshed if same and same[-1].mirror is not None else 0.0,
            allowed=release.estate.allow_differences,
            on_note=lambda text: click.echo(printable(text)),
        )
        outcome = carry_on(directory, report, job, undo=undo, resumed=resumed)
    write_page(folder, f"{f.RUNS}/{directory.name}")
    return _ended(directory, outcome, asked_to_undo=undo)


def _ended(directory: Path, outcome: Outcome, *, asked_to_undo: bool) -> int:
    final = read_json(directory / "run.json", RunReport)
    where = f"{f.RUNS}/{directory.name}"
    for line in (final.watched if outcome.state != "stopped" else "", final.restored):
        if line:
            click.echo(printable(line))
    if outcome.state == "stopped" and outcome.reason:
        raise Drift(
            f"stopped between steps: {printable(outcome.reason)}",
            why="neither the plan nor the machine by itself writes there in a rehearsal; the target stays held by this run",
            fix="find out who it was; then fulldress resume (goes on) or fulldress rollback (undoes)",
        )
    if outcome.state == "stopped":
        click.echo("stopped between steps; the target stays held by this run")
        next_command("fulldress resume (goes on) or fulldress rollback (undoes)")
        return EXIT_INTERRUPTED
    _show_load(final)
    for ident in outcome.kept:
        click.echo(click.style(f"kept, as the plan says: {ident}", fg="yellow"))
    if outcome.state == "done":
        click.echo(f"done: {len(outcome.timings)} steps in {_total(outcome):.1f} s; record in {where}/")
        next_command("fulldress status")
        return 0
    if outcome.state == "failed":
        raise StepFailed(f"step {outcome.failed_step} failed: {outcome.reason}", fix="fulldress rollback")
    if outcome.left:
        raise RollbackIncomplete(
            f"not undone: {', '.join(outcome.left)}",
            why=f"{outcome.reason or 'their undo failed'}; outputs in {where}/steps/",
            fix=f"do it by hand with {f.RUNBOOK}, or try again: fulldress rollback",
        )
    if asked_to_undo and not outcome.failed_step:
        click.echo(f"undone: everything that run {directory.name} had done; record in {where}/")
        next_command("fulldress status")
        return 0
    raise RolledBack(
        f"step {outcome.failed_step} failed, and everything was undone",
        why=outcome.reason,
        fix=f"outputs in {where}/steps/; correct the plan, rehearse it, run it again",
    )


def _total(outcome: Outcome) -> float:
    did = [t for t in outcome.timings if t.phase == "do"]
    return max(t.ended for t in did) - min(t.started for t in did) if did else 0.0


def _show_load(report: RunReport) -> None:
    load = report.load
    if load is None:
        return
    click.echo(
        f"users meanwhile: {load.completed} requests, {load.failed} failed, "
        f"{load.waited} slower than {load.slow_ms:.0f} ms, p99 {load.p99:.0f} ms, "
        f"longest outage {load.endpoint_outage_seconds:.1f} s"
    )
