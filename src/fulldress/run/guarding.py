"""What stands around the steps of a run: the backup before the first, the drift alarm between them, the comparison after.

Each needs the write-set of a rehearsal; a run without one has none of them, and its report says nothing of the kind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fulldress.engine import StepEvent
from fulldress.errors import FulldressError
from fulldress.model.changes import WriteSet
from fulldress.model.rehearsal import RunReport
from fulldress.ports import Host
from fulldress.run import backup, drift
from fulldress.store.codec import write_json
from fulldress.store.journal import Journal, read_journal


class Guarded:
    """One call of a run. ``reason``: why the alarm stopped it; empty when it did not."""

    def __init__(
        self,
        host: Host,
        report: RunReport,
        journal: Journal,
        state_dir: Path,
        writes: WriteSet | None,
        allowed: Sequence[str],
        mirrored: float = 0.0,
    ) -> None:
        self.host, self.report, self.journal, self.state_dir = host, report, journal, state_dir
        self.writes, self.allowed = writes, tuple(allowed)
        self.mirrored = mirrored
        """When the rehearsal's copy of the host was begun, seconds since the epoch."""
        self.reason = ""
        self.watched = False
        self._alarm = drift.Alarm(host, report.id, writes, allowed, report.drift) if writes is not None else None

    def before(self, directory: Path) -> RunReport:
        """Back up what will change, unless a step has begun already; begin to watch. Raises what stands in the way."""
        if self.writes is None or self._alarm is None:
            return self.report
        started = any(event.kind == "step-started" for event in read_journal(self.journal.path))
        if not started:
            self._since_the_mirror(self._alarm, directory)
        if not started and backup.taken(self.state_dir, self.report.id) is None:
            saved = backup.take(self.host, self.writes, self.state_dir, self.report.id)
            where = f"in {saved.archive}" if saved.place == "here" else f"on the host itself, in {saved.archive}: too large"
            words = f"backed up before the first step: {len(saved.states)} paths, {saved.bytes / 1e6:.1f} MB, {where}"
            self.journal.append(
                "backed-up", run=self.report.id, place=saved.place, paths=len(saved.states), bytes=saved.bytes,
                sha256=saved.sha256,
            )  # fmt: skip
            self.report = msgspec.structs.replace(self.report, backup=words)
            write_json(directory / "run.json", self.report)
        self._alarm.begin()
        self.watched = True
        return self.report

    def _since_the_mirror(self, alarm: drift.Alarm, directory: Path) -> None:
        """What was rehearsed is not what is there when somebody has written since; each path is named once."""
        found = alarm.since(self.mirrored) if self.mirrored else []
        if not found:
            return
        self._note(found, "")
        write_json(directory / "run.json", self.report)
        raise drift.Drift(
            f"changed since the rehearsal's copy of {self.host.name}: {drift.named(found)}",
            why="what was rehearsed is not what is there now; no step has begun",
            fix="fulldress rollback, then rehearse again; or fulldress resume, when you know that it does not matter",
        )

    def _note(self, found: list[str], step: str) -> None:
        self.report = msgspec.structs.replace(self.report, drift=(*self.report.drift, *found))
        self.journal.append("drift-found", run=self.report.id, after=step, paths=found[:100])

    def watching(self, tell: Callable[[StepEvent], None], stop: threading.Event) -> Callable[[StepEvent], None]:
        """Tells on, and after each step that was done looks for writes of others; they stop the run."""

        def told(event: StepEvent) -> None:
            tell(event)
            if (
                self._alarm is None
                or not self.watched
                or event.kind != "ended"
                or event.phase != "do"
                or event.code != 0
                or event.resumed
            ):
                return
            found = self._look(self._alarm, event.step.id)
            if found:
                self.reason = f"somebody else wrote {drift.named(found)}"
                self._note(found, event.step.id)
                stop.set()

        return told

    def _look(self, alarm: drift.Alarm, step: str) -> list[str]:
        """An alarm that cannot look says so, and stops nothing: the next step will find out whether the host is there."""
        try:
            return alarm.look()
        except FulldressError as error:
            self.journal.append("drift-unknown", run=self.report.id, after=step, why=str(error))
            return []

    def after(self, state: str) -> RunReport:
        """The report with what this run's alarm found so far; an undone run is compared with its backup."""
        if self.writes is not None:
            blind = [str(e.data.get("after")) for e in read_journal(self.journal.path) if e.kind == "drift-unknown"]
            self.report = msgspec.structs.replace(self.report, watched=drift.in_words(self.report.drift, blind))
        saved = backup.taken(self.state_dir, self.report.id)
        if state in ("rolled-back", "rollback-incomplete") and saved is not None:
            different = backup.differing(self.host, saved, self.allowed)
            words = backup.in_words(saved, different)
            self.journal.append("compared-with-backup", run=self.report.id, different=different[:100], words=words)
            self.report = msgspec.structs.replace(self.report, restored=words)
        return self.report
