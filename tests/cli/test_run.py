"""run, resume and rollback on a real machine, as the command line does them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fulldress.adapters.nspawn import Machine
from fulldress.cli.commands import plan
from fulldress.model.changes import Change, WriteSet
from fulldress.model.estate import Estate
from fulldress.model.package import PackageLock, TrustReport, Verdict
from fulldress.model.plan import PlanLock
from fulldress.model.rehearsal import MirrorFacts, RehearsalReport, RunReport
from fulldress.store import folder as f
from fulldress.store.codec import read_json, write_json
from fulldress.store.journal import read_journal

pytestmark = pytest.mark.machine

WAIT = "for _ in $(seq 1200); do test -e {file}.hold || break; sleep 0.05; done"
"""A step lasts as long as its test wants, however slow this computer is: until ``go_on``, at most a minute."""
PLAN = """
release = "r"
host = "machine:{machine}"
[[step]]
id = "a"
kind = "script"
title = "a"
breaks = "nothing to see"
params = {{ content = "echo a >>{file}\\n", undo = "echo -a >>{file}\\n" }}
[[step]]
id = "b"
kind = "script"
title = "b"
params = {{ content = "echo b >>{file}; {wait}; {end}\\n", undo = "echo -b >>{file}\\n" }}
[[step]]
id = "c"
kind = "script"
title = "c"
params = {{ content = "echo c >>{file}\\n", undo = "echo -c >>{file}\\n" }}
"""


class Folder:
    """A release folder with a plan for the machine, and the commands on it."""

    def __init__(self, machine: Machine, root: Path, state: Path, *, held: bool = False, end: str = "true") -> None:
        self.machine, self.root, self.state = machine, root, state
        self.file = f"/var/tmp/{root.parent.name}"
        root.mkdir(parents=True)
        name = machine.state.name
        (root / f.RELEASE).write_text(f'name = "r"\n[estate]\nhosts = ["machine:{name}"]\n')
        write_json(root / f.ESTATE, Estate(taken="2026-01-01T00:00:00Z", hosts=()))
        empty = PackageLock(name="p", sha256="0" * 64, size=0, format="zip", entries=(), bytes_inspected=0)
        write_json(root / f.ADAPTED_LOCK, empty)
        self.signed()
        if held:
            machine.write_file(f"{self.file}.hold", b"")
        (root / "05-plan").mkdir()
        (root / f.PLAN).write_text(PLAN.format(machine=name, file=self.file, wait=WAIT.format(file=self.file), end=end))

    def signed(self, verdict: Verdict = "pinned-ok") -> Folder:
        """The package is the vendor's, or not."""
        trust = TrustReport(package_sha256="0" * 64, verdict=verdict, explanation="as the test says", next_action="Call.")
        write_json(self.root / f.TRUST, trust)
        return self

    def start(self, *argv: str) -> subprocess.Popen[str]:
        env = {**os.environ, "FULLDRESS_STATE": str(self.state), "NO_COLOR": "1"}
        command = [sys.executable, "-m", "fulldress.cli.main", *argv]
        return subprocess.Popen(command, cwd=self.root, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def do(self, *argv: str) -> tuple[int, str]:
        process = self.start(*argv)
        out, _ = process.communicate(timeout=60)
        return process.returncode, out

    def planned(self) -> Folder:
        """Here and not in a process of its own: how `plan` is started is tested elsewhere, and each start takes a while."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FULLDRESS_STATE", str(self.state))
            patch.chdir(self.root)
            done = CliRunner().invoke(plan.command, [], standalone_mode=False)
        assert (done.exit_code, done.exception) == (0, None), done.output
        return self

    def rehearsed(self, verdict: str = "pass", writes: WriteSet | None = None, mirrored: float = 0.0) -> Folder:
        digest = read_json(self.root / f.PLAN_LOCK, PlanLock).digest
        report = RehearsalReport(
            id="20260101T000000Z-aaaa",
            plan_digest=digest,
            started="2026-01-01T00:00:00Z",
            verdict=verdict,  # type: ignore[arg-type]
            checks=(),
            acts=(),
            durations={},
            not_shown=(),
            write_set=writes,
            mirror=MirrorFacts(host="h", refreshed=mirrored, seconds=0, copied_bytes=0) if mirrored else None,
        )
        write_json(self.root / f.REHEARSALS / report.id / "rehearsal.json", report)
        return self

    def effects(self) -> list[str]:
        try:
            return self.machine.read_file(self.file).decode().split()
        except FileNotFoundError:
            return []

    def await_effect(self, name: str) -> None:
        until = time.monotonic() + 40
        while name not in self.effects():
            assert time.monotonic() < until, f"{name} never came"
            time.sleep(0.05)

    def go_on(self) -> None:
        """Let step b end."""
        self.machine.run(["rm", f"{self.file}.hold"])

    def run_report(self) -> RunReport:
        return read_json(sorted((self.root / f.RUNS).glob("*/run.json"))[-1], RunReport)


@pytest.fixture(autouse=True)
def nobody_holds(pg_machine: Machine) -> Iterator[None]:
    yield
    pg_machine.run(["rm", "-f", "/var/lib/fulldress/holder"])


def test_run_then_rollback(pg_machine: Machine, tmp_path: Path) -> None:
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s").planned().rehearsed()
    code, out = folder.do("run")
    assert code == 0, out
    assert "[ 1/3] now: nothing to see" in out
    assert folder.effects() == ["a", "b", "c"]
    report = folder.run_report()
    assert (report.state, len(report.steps)) == ("done", 3)
    assert not pg_machine.run(["test", "-e", "/var/lib/fulldress/holder"]).ok
    code, out = folder.do("rollback")
    assert code == 0, out
    assert folder.effects() == ["a", "b", "c", "-c", "-b", "-a"]
    assert folder.run_report().state == "rolled-back"


def test_an_unrehearsed_plan_is_a_no_go(pg_machine: Machine, tmp_path: Path) -> None:
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s").planned()
    code, out = folder.do("run")
    assert (code, "it was never rehearsed" in out) == (20, True), out
    folder.rehearsed("fail")
    code, out = folder.do("run")
    assert (code, "says: fail" in out) == (20, True), out
    assert folder.effects() == []
    code, out = folder.do("run", "--without-rehearsal-because", "the clone is broken")
    assert code == 0, out
    events = read_journal(next((folder.root / f.RUNS).glob("*/journal.jsonl")))
    assert events[0].data["without_rehearsal_because"] == "the clone is broken"


def test_a_package_of_an_unexpected_signer_is_a_no_go(pg_machine: Machine, tmp_path: Path) -> None:
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s").planned().rehearsed().signed("unknown-key")
    code, out = folder.do("run")
    assert (code, "unknown-key" in out) == (20, True), out
    assert folder.effects() == []


@pytest.mark.parametrize("name", [f.RELEASE, f.PLAN, f.ADAPTED_LOCK])
def test_a_changed_input_is_stale_and_named(pg_machine: Machine, tmp_path: Path, name: str) -> None:
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s").planned().rehearsed()
    (folder.root / name).write_text((folder.root / name).read_text() + "\n")
    code, out = folder.do("run")
    assert (code, name in out) == (21, True), out
    assert folder.effects() == []


def test_killed_then_resumed_by_one_command(pg_machine: Machine, tmp_path: Path) -> None:
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s", held=True).planned().rehearsed()
    process = folder.start("run")
    folder.await_effect("b")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, out = folder.do("run")
    assert (code, "not finished" in out, "fulldress resume" in out) == (1, True, True), out
    going = folder.start("resume")
    time.sleep(0.5)  # it may find the step still running, or ended: both must do
    folder.go_on()
    out, _ = going.communicate(timeout=60)
    assert going.returncode == 0, out
    assert folder.effects() == ["a", "b", "c"]
    assert (folder.run_report().state, folder.run_report().resumed) == ("done", 1)
    code, out = folder.do("resume")
    assert code == 3, out


def test_killed_then_rolled_back_by_one_command(pg_machine: Machine, tmp_path: Path) -> None:
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s", held=True).planned().rehearsed()
    process = folder.start("run")
    folder.await_effect("b")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    folder.go_on()
    code, out = folder.do("rollback")
    assert code == 0, out
    assert folder.effects() == ["a", "b", "-b", "-a"]


def test_a_failing_step_exits_30_and_says_why(pg_machine: Machine, tmp_path: Path) -> None:
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s", end="echo because; exit 4").planned().rehearsed()
    code, out = folder.do("run")
    assert code == 30, out
    assert "step b failed, and everything was undone" in out
    assert "it exited 4: because" in out
    assert folder.effects() == ["a", "b", "-b", "-a"]
    assert folder.run_report().state == "rolled-back"


def test_ctrl_c_stops_after_the_step(pg_machine: Machine, tmp_path: Path) -> None:
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s", held=True).planned().rehearsed()
    process = folder.start("run")
    folder.await_effect("b")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    folder.go_on()
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130, out
    assert "fulldress resume" in out
    assert folder.effects() == ["a", "b"]
    assert folder.do("resume")[0] == 0
    assert folder.effects() == ["a", "b", "c"]


def test_another_holder_is_named(pg_machine: Machine, tmp_path: Path) -> None:
    first = Folder(pg_machine, tmp_path / "one" / "r", tmp_path / "s", held=True).planned().rehearsed()
    second = Folder(pg_machine, tmp_path / "two" / "r", tmp_path / "s").planned().rehearsed()
    process = first.start("run")
    first.await_effect("b")
    code, out = second.do("run")
    assert code == 1, out
    assert "is held by run" in out
    assert str(first.root) in out
    assert not list((second.root / f.RUNS).glob("*")), "a refused run leaves nothing"
    first.go_on()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert second.do("run")[0] == 0


def test_a_full_state_disk_stops_clearly_and_the_same_run_goes_on(pg_machine: Machine, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "fd-plan-test", str(disk)], check=True)
    try:
        folder = Folder(pg_machine, tmp_path / "r", disk, held=True).planned().rehearsed()
        process = folder.start("run")
        folder.await_effect("b")
        filler = disk / "filler"
        with filler.open("wb") as stream:
            try:
                while True:
                    stream.write(b"\0" * 65536)
                    stream.flush()
            except OSError:
                pass
        folder.go_on()
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 1, out
        assert "no room left on the disk" in out
        assert folder.effects() == ["a", "b"]
        filler.unlink()
        code, out = folder.do("resume")
        assert code == 0, out
        assert folder.effects() == ["a", "b", "c"]
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_foreign_write_stops_the_run_between_steps_and_a_rollback_is_compared_with_the_backup(
    pg_machine: Machine, tmp_path: Path
) -> None:
    pg_machine.run(["bash", "-c", "echo mine >/etc/planned"])
    writes = WriteSet(
        changes=(Change(path="/etc/planned", before="file", after="file"),), control=0, backup=("/etc", "/etc/planned")
    )
    foreign = "echo x >/etc/foreign; echo x >/etc/planned"
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s", end=foreign).planned().rehearsed(writes=writes)
    try:
        code, out = folder.do("run")
        assert (code, "stopped between steps: somebody else wrote /etc/foreign" in out) == (20, True), out
        assert out.index("backed up before the first step: 2 paths") < out.index("[ 1/")
        assert folder.effects() == ["a", "b"]
        code, out = folder.do("resume")
        assert (code, folder.effects()) == (0, ["a", "b", "c"]), out
        assert "somebody else wrote meanwhile: /etc/foreign" in out
        assert folder.run_report().drift == ("/etc/foreign",)
        code, out = folder.do("rollback")
        assert (code, "1 of 2 paths are not as they were backed up: /etc/planned" in out) == (0, True), out
        kinds = [event.kind for event in read_journal(next((folder.root / f.RUNS).glob("*/journal.jsonl")))]
        assert kinds.index("backed-up") < kinds.index("step-started") < kinds.index("drift-found")
    finally:
        pg_machine.run(["bash", "-c", "rm -rf /etc/planned /etc/foreign /var/lib/fulldress/backup"])


def test_what_changed_since_the_copy_that_was_rehearsed_stops_the_run_before_its_first_step(
    pg_machine: Machine, tmp_path: Path
) -> None:
    writes = WriteSet(changes=(Change(path="/etc/planned", before="file", after="file"),), control=0, backup=())
    time.sleep(0.1)
    copied = time.time()
    folder = Folder(pg_machine, tmp_path / "r", tmp_path / "s").planned().rehearsed(writes=writes, mirrored=copied)
    pg_machine.run(["bash", "-c", "echo x >/etc/planned"])
    try:
        code, out = folder.do("run")
        assert (code, "changed since the rehearsal's copy" in out, "/etc/planned" in out) == (20, True, True), out
        assert folder.effects() == []
        code, out = folder.do("resume")
        assert (code, folder.effects()) == (0, ["a", "b", "c"]), out
    finally:
        pg_machine.run(["bash", "-c", "rm -rf /etc/planned /var/lib/fulldress/backup"])
