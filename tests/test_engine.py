"""A plan on a real machine: done, undone, stopped, failed, and killed at every boundary; each effect comes once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOS
from dbos._dbos import _get_dbos_instance

from fulldress.adapters.nspawn import Machine
from fulldress.adapters.transient import Job, look
from fulldress.engine import TAKE_UP_S, Outcome, StepEvent, perform
from fulldress.engine import _launch as launch
from fulldress.errors import UsageError
from fulldress.model.plan import Plan, PlanLock, Step
from fulldress.steps import StepContext, compile_step
from fulldress.store.blobs import BlobStore
from fulldress.store.journal import Journal, read_journal

pytestmark = pytest.mark.machine


def effect(name: str, file: str, body: str = "") -> Step:
    params = {
        "content": f"echo {name} >>{file}\n{body}",
        "undo": f"echo -{name} >>{file}\n",
        "verify": f"grep -qx {name} {file}",
    }
    return Step(id=name, kind="script", title=name, params=params, timeout_s=20)


class Bench:
    """A run of some steps on the machine, in a directory of its own."""

    def __init__(self, machine: Machine, folder: Path, run: str, steps: list[Step]) -> None:
        self.machine, self.folder, self.run = machine, folder, run
        self.file = f"/var/tmp/{run}"
        self.blobs = BlobStore(folder / "blobs")
        ctx = StepContext({}, self.blobs.put)
        self.lock = PlanLock(
            digest="0" * 64,
            plan=Plan(release="r", host=machine.name, step=tuple(steps)),
            scripts=tuple(compile_step(s, ctx) for s in steps),
            inputs={},
            package_sha256="",
            adapted_sha256="",
        )

    def perform(self, **more: Any) -> Outcome:
        journal = Journal(self.folder / "journal.jsonl")
        return perform(
            self.lock, self.machine, run_id=self.run, state_dir=self.folder, journal=journal, push=self.blobs.read, **more
        )

    def effects(self) -> list[str]:
        return self.machine.read_file(self.file).decode().split()

    def doubled(self) -> list[Any]:
        events = Counter(
            (e.kind, e.data["step"], e.data["phase"], e.data["attempt"]) for e in read_journal(self.folder / "journal.jsonl")
        )
        return [key for key, n in events.items() if n > 1]


def test_done_then_undone(pg_machine: Machine, tmp_path: Path) -> None:
    run = f"e1-{tmp_path.name[-1]}x"
    bench = Bench(pg_machine, tmp_path, run, [effect(n, f"/var/tmp/{run}") for n in ("a", "b", "c")])
    outcome = bench.perform()
    assert (outcome.state, bench.effects()) == ("done", ["a", "b", "c"])
    assert bench.perform().state == "done", "asked again, nothing is done again"
    outcome = bench.perform(undo=True)
    assert (outcome.state, bench.effects()) == ("rolled-back", ["a", "b", "c", "-c", "-b", "-a"])
    assert bench.doubled() == []
    assert [t.phase for t in outcome.timings] == ["do"] * 3 + ["undo"] * 3


def test_a_failing_step_is_undone_with_all_before_it(pg_machine: Machine, tmp_path: Path) -> None:
    file = "/var/tmp/e2"
    steps = [effect("a", file), effect("b", file, "echo token=hunter2; exit 7\n"), effect("c", file)]
    bench = Bench(pg_machine, tmp_path, "e2", steps)
    outcome = bench.perform()
    assert (outcome.state, outcome.failed_step) == ("rolled-back", "b")
    assert outcome.reason == "it exited 7: token=<secret>"
    assert bench.effects() == ["a", "b", "-b", "-a"]
    assert "hunter2" not in (tmp_path / "journal.jsonl").read_text()


def test_a_failing_step_stays_when_told_so_and_is_tried_again(pg_machine: Machine, tmp_path: Path) -> None:
    file = "/var/tmp/e3"
    bench = Bench(pg_machine, tmp_path, "e3", [effect("a", file), effect("b", file, "test -e /var/tmp/e3.ok\n")])
    assert bench.perform(rollback_on_failure=False).state == "failed"
    pg_machine.write_file("/var/tmp/e3.ok", b"")
    assert bench.perform(rollback_on_failure=False).state == "done"
    assert bench.effects() == ["a", "b", "b"]


def test_an_undo_that_fails_is_named_and_tried_again(pg_machine: Machine, tmp_path: Path) -> None:
    file = "/var/tmp/e4"
    step = effect("b", file)
    step.params["undo"] = f"test -e /var/tmp/e4.ok && echo -b >>{file}\n"
    bench = Bench(pg_machine, tmp_path, "e4", [effect("a", file), step])
    assert bench.perform().state == "done"
    outcome = bench.perform(undo=True)
    assert (outcome.state, outcome.left) == ("rollback-incomplete", ("b",))
    pg_machine.write_file("/var/tmp/e4.ok", b"")
    outcome = bench.perform(undo=True)
    assert (outcome.state, outcome.left) == ("rolled-back", ())
    assert bench.effects() == ["a", "b", "-a", "-b"]


def test_stopped_after_a_step_and_resumed(pg_machine: Machine, tmp_path: Path) -> None:
    bench = Bench(pg_machine, tmp_path, "e5", [effect(n, "/var/tmp/e5") for n in ("a", "b", "c")])
    assert bench.perform(stop_after="b").state == "stopped"
    assert bench.effects() == ["a", "b"]
    assert bench.perform().state == "done"
    assert bench.effects() == ["a", "b", "c"]


def test_stopped_then_undone(pg_machine: Machine, tmp_path: Path) -> None:
    bench = Bench(pg_machine, tmp_path, "e6", [effect(n, "/var/tmp/e6") for n in ("a", "b", "c")])
    assert bench.perform(stop_after="b").state == "stopped"
    assert bench.perform(undo=True).state == "rolled-back"
    assert bench.effects() == ["a", "b", "-b", "-a"]


def test_a_step_that_takes_too_long_fails(pg_machine: Machine, tmp_path: Path) -> None:
    slow = Step(id="slow", kind="check", title="slow", params={"command": "sleep 30"}, timeout_s=1)
    outcome = Bench(pg_machine, tmp_path, "e7", [slow]).perform()
    assert (outcome.state, outcome.reason) == ("rolled-back", "it took longer than 1 s")


def test_an_unknown_step_to_stop_after_is_refused(pg_machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no step 'z'"):
        Bench(pg_machine, tmp_path, "e8", [effect("a", "/var/tmp/e8")]).perform(stop_after="z")


def test_a_step_whose_host_went_down_is_probed_not_repeated(pg_machine: Machine, tmp_path: Path) -> None:
    """A claim of another boot and no result: what holds is asked, and the step is not run again."""
    bench = Bench(pg_machine, tmp_path, "e9", [effect("a", "/var/tmp/e9"), effect("b", "/var/tmp/e9")])
    claim = "/var/lib/fulldress/steps/e9-a-do/claim"
    pg_machine.write_file("/var/tmp/e9", b"a\n")
    for name, text in (("boot", b"of yesterday\n"), ("pid", b"1\n"), ("started", b"1.0\n")):
        pg_machine.write_file(f"{claim}/{name}", text)
    assert bench.perform().state == "done"
    assert bench.effects() == ["a", "b"]


CHILD = """
import json, os, signal, sys
from pathlib import Path
from fulldress.adapters.nspawn import attach
from tests.test_engine import Bench, effect
machine, folder, run, phase, kind, *order = sys.argv[1:]
def once(number):
    names = [f"s{n}" for n in range(6)]
    bench = Bench(attach(machine), Path(folder), run, [effect(n, f"/var/tmp/{run}") for n in names])
    def tell(event):
        if (event.phase, event.kind, event.step.id) == (phase, kind, f"s{number}"):
            os.kill(os.getpid(), signal.SIGKILL)
    bench.perform(on_event=tell, undo=phase == "undo")
endings = []
for number in order:
    if (pid := os.fork()) == 0:
        try:
            once(number)
        finally:
            os._exit(1)
    endings.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(json.dumps(endings))
"""
"""Runners one after another, each a process of its own that is killed at its boundary; what they import is imported once."""


@pytest.mark.parametrize("kind", ["started", "ended"])
@pytest.mark.parametrize("phase", ["do", "undo"])
def test_killed_at_every_boundary_of_six_steps(pg_machine: Machine, tmp_path: Path, phase: str, kind: str) -> None:
    """One run, killed at one boundary of each step in turn, ends as if it had never been killed."""
    run = f"k-{phase}-{kind}"
    names = [f"s{n}" for n in range(6)]
    bench = Bench(pg_machine, tmp_path, run, [effect(n, f"/var/tmp/{run}") for n in names])
    if phase == "undo":
        assert bench.perform().state == "done"
    order = [str(n) for n in (range(6) if phase == "do" else range(5, -1, -1))]
    argv = [sys.executable, "-c", CHILD, pg_machine.state.name, str(tmp_path), run, phase, kind, *order]
    done = subprocess.run(argv, timeout=120, check=True, stdout=subprocess.PIPE)
    assert json.loads(done.stdout.splitlines()[-1]) == [-signal.SIGKILL] * 6
    outcome = bench.perform(undo=phase == "undo")
    assert outcome.state == ("done" if phase == "do" else "rolled-back")
    assert bench.effects() == names + ([] if phase == "do" else [f"-{n}" for n in reversed(names)])
    assert bench.doubled() == []


def test_a_start_still_on_its_way_cannot_come_after_the_undo(pg_machine: Machine, tmp_path: Path) -> None:
    """Killed before its job was claimed: the undo revokes the job, so it can never run."""
    bench = Bench(pg_machine, tmp_path, "e10", [effect("a", "/var/tmp/e10")])
    pg_machine.write_file("/var/tmp/e10", b"")
    Journal(tmp_path / "journal.jsonl").append("step-started", run="e10", step="a", phase="do", attempt=1)
    assert bench.perform(undo=True).state == "rolled-back"
    assert look(pg_machine, Job(name="e10-a-do", body="")).state == "lost"
    assert pg_machine.run(["cat", "/var/lib/fulldress/steps/e10-a-do/claim/boot"]).stdout == b"revoked\n"
    assert bench.effects() == []


def test_events_are_told_as_they_happen(pg_machine: Machine, tmp_path: Path) -> None:
    told: list[StepEvent] = []
    Bench(pg_machine, tmp_path, "e11", [effect("a", "/var/tmp/e11")]).perform(on_event=told.append)
    assert [(e.kind, e.step.id) for e in told] == [("started", "a"), ("ended", "a")]
    assert told[1].timing is not None
    assert 0 <= told[1].timing.ended - told[1].timing.started < 30


def test_what_a_killed_process_left_is_looked_for_at_once(tmp_path: Path) -> None:
    """Not once a second, as DBOS does unless told otherwise in a way that it may rename."""
    launch(tmp_path / "engine.sqlite")
    try:
        assert _get_dbos_instance()._registry.get_internal_queue().polling_interval_sec == TAKE_UP_S < 0.2
    finally:
        DBOS.destroy()


INTERRUPTED = """
import sys, threading, time, os, signal
from pathlib import Path
from fulldress.adapters.nspawn import attach
from fulldress.model.plan import Step
from tests.test_engine import Bench
machine, folder = sys.argv[1:]
slow = Step(id="slow", kind="check", title="slow", params={"command": "sleep 4"}, timeout_s=60)
after = Step(id="after", kind="check", title="after", params={"command": "touch /var/tmp/e12-after"})
def tell(event):
    if event.kind == "started":
        threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
Bench(attach(machine), Path(folder), "e12", [slow, after]).perform(on_event=tell)
"""


def test_an_interrupt_does_not_wait_for_the_step(pg_machine: Machine, tmp_path: Path) -> None:
    """KeyboardInterrupt out of perform ends the process soon (one poll at most); the job goes on at the host."""
    started = time.monotonic()
    argv = [sys.executable, "-c", INTERRUPTED, pg_machine.state.name, str(tmp_path)]
    done = subprocess.run(argv, timeout=60, check=False, capture_output=True, text=True)
    assert "KeyboardInterrupt" in done.stderr
    assert time.monotonic() - started < 25
    assert not pg_machine.run(["test", "-e", "/var/tmp/e12-after"]).ok, "no further step begins"
