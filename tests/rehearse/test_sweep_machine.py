"""A crash sweep on real clones: everything fires, everything is equal, and one missing undo is named by file and row.

Two computers share it, the second of which joins by command, and one worker is killed.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from bench.sweep import ground, locked, twelve
from tests.pgserver import postgres_server

from fulldress.adapters.scope import Scope
from fulldress.enginequeue import WorkQueue
from fulldress.model.changes import WriteSet
from fulldress.model.faults import Sweep
from fulldress.model.plan import PlanLock, Step
from fulldress.model.rehearsal import Act
from fulldress.rehearse import crashsweep
from fulldress.rehearse.acts import forward_and_back
from fulldress.rehearse.clones import folder_name
from fulldress.rehearse.setting import Setting
from fulldress.rehearse.verdict import crash_check, proof_check, undone_check
from fulldress.rehearse.wanted import USUAL, wanted
from fulldress.store import folder as f
from fulldress.store.codec import write_json

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600), pytest.mark.usefixtures("as_root", "base_root")]


RELEASE = """name = "swept"
package = "none.zip"
[estate]
hosts = ["machine:none"]
database = "postgres"
base-url = "file:///etc/swept/app.conf"
"""


@pytest.fixture(scope="module")
def setting(base_root: Path) -> Iterator[Setting]:
    with Scope("t-sweep") as keeper, ground(keeper, keeper.id, base_root) as made:
        yield made


def short(setting: Setting, *names: str, broken: bool = False) -> PlanLock:
    """Some of the bench's steps. ``broken``: the file and the rows have lost their undo."""
    steps = tuple(step for step in twelve() if step.id in names)
    lock = locked(setting.mirror.host, steps, setting.blobs)
    if broken:
        scripts = [msgspec.structs.replace(s, undo="") if s.id in ("extra", "rows") else s for s in lock.scripts]
        lock = msgspec.structs.replace(lock, scripts=tuple(scripts))
    return lock


class Played(NamedTuple):
    back: Act
    writes: WriteSet
    found: Sweep
    seen: Mapping[str, str]
    """What the sweep met in the layers when something was broken."""


def swept(setting: Setting, lock: PlanLock, name: str, **options: str | int) -> Played:
    asked = wanted([step.id for step in lock.plan.step], **options)  # type: ignore[arg-type]
    mine = setting._replace(id=f"{setting.id}{name}", wanted=asked, directory=setting.directory / name)
    back, writes = forward_and_back(mine, lock, name="rollback", title="back")
    found = crashsweep.sweep(mine, lock, back)
    assert writes is not None
    return Played(back, writes, found.sweep, found.seen)


def kill_one(queue: WorkQueue) -> str:
    """SIGKILL to the worker that took the first item, a moment after it took it; returns its name."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.1)
        if queue.facts() is not None and (holders := queue.holders()):
            time.sleep(1)
            os.kill(int(holders[0].rpartition(":")[2]), signal.SIGKILL)
            return holders[0]
    raise AssertionError("no worker took anything")


def another_computer(setting: Setting, lock: PlanLock, place: Path) -> tuple[Path, Path]:
    """Its copy of the release folder, and its state directory: with the plan's contents, and a mirror of its own."""
    folder, state = place / "folder", place / "state"
    (folder / "05-plan").mkdir(parents=True)
    (folder / f.RELEASE).write_text(RELEASE)
    write_json(folder / f.PLAN_LOCK, lock)
    mirrors = state / "scratch/mirrors" / folder_name(setting.mirror.host)
    mirrors.parent.mkdir(parents=True)
    original = Path(setting.mirror.tree).parent
    subprocess.run(["cp", "-a", "--reflink=auto", str(original), str(mirrors)], check=True)
    facts = json.loads((mirrors / "mirror.json").read_text())
    (mirrors / "mirror.json").write_text(json.dumps({**facts, "tree": str(mirrors / "root")}))
    shutil.copytree(setting.blobs.root, state / "blobs")
    return folder, state


def joined(url: str, work: str, folder: Path, state: Path) -> int:
    """Join by command as another computer; returns how many passes it played."""
    done = subprocess.run(
        [sys.executable, "-m", "fulldress.cli.main", "rehearse", "--join", url, work],
        cwd=folder, env={**os.environ, "FULLDRESS_STATE": str(state)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split("; ")[1].split()[0])


def test_one_of_two_workers_is_killed_another_computer_joins_and_everything_fired_and_is_equal(setting: Setting) -> None:
    """The second computer has a state directory and a mirror of its own."""
    names = ("program", "extra", "workers", "rows", "data")
    lock = short(setting, *names)
    folder, state = another_computer(setting, lock, Path(setting.mirror.tree).parents[1] / "another")
    with postgres_server() as url, concurrent.futures.ThreadPoolExecutor(1) as pool:
        leading = pool.submit(swept, setting, lock, "pair", crash="inside", undo_at="each", workers=2, queue=url)
        queue = WorkQueue(url, f"{setting.id}pair")
        killed = kill_one(queue)
        assert joined(url, queue.work, folder, state) >= 1
        found = leading.result(300).found
    assert killed.startswith(socket.gethostname()[:40])
    assert found.workers >= 2
    assert undone_check(found, len(names)).judgement == "pass", found.undone
    assert crash_check(found).judgement == "pass", [i for i in found.injections if not i.good]
    assert len(found.injections) == 2 * 5 * 3 + 5, "each fault in each step, on both ways, and a rollback from each step"
    assert {(i.step, i.phase, i.fault) for i in found.injections} == set(itertools.product(names, ("do", "undo"), USUAL))
    assert {i.ending for i in found.injections if i.phase == "do"} == {"completed", "rolled-back"}
    assert all("signal 9" in i.evidence or "killed" in i.evidence for i in found.injections)
    assert not list((state / "scratch/clones").glob("*"))


def test_a_missing_undo_is_named_by_file_and_row(setting: Setting) -> None:
    lock = short(setting, "extra", "rows", broken=True)
    back, writes, found, _ = swept(setting, lock, "lost", crash="after", undo_at="each", faults="kill-runner", workers=2)
    assert "/etc/swept/extra.conf" in proof_check(back.proof).measured
    assert "postgres: public.item id=" in proof_check(back.proof).measured
    assert "/etc/swept/extra.conf" in {change.path for change in writes.changes}
    check = undone_check(found, 2)
    assert check.judgement == "fail", found.undone
    assert "after extra: file /etc/swept/extra.conf" in check.measured
    assert {d.name for d in found.undone[-1].differences} >= {"/etc/swept/extra.conf", "postgres: public.item"}
    assert crash_check(found).judgement == "fail"


def test_a_file_that_only_a_crash_meets_is_on_its_trail(setting: Setting) -> None:
    body = "echo half > /etc/swept/app.conf.half; sleep 1; rm /etc/swept/app.conf.half"
    step = Step(id="half", kind="script", title="half", params={"content": body, "undo": "rm -f /etc/swept/app.conf.half"})
    lock = locked(setting.mirror.host, (step,), setting.blobs)
    _, writes, found, seen = swept(setting, lock, "trail", crash="inside", faults="kill-step")
    assert crash_check(found).judgement == "pass", [i for i in found.injections if not i.good]
    assert "/etc/swept/app.conf.half" not in {change.path for change in writes.changes}
    assert seen["/etc/swept/app.conf.half"] == "half"


def test_the_slower_faults_fire_too(setting: Setting) -> None:
    faults = "disk-full,kill-database,cut-link"
    found = swept(setting, short(setting, "rows"), "slow", crash="inside", faults=faults, workers=2).found
    assert crash_check(found).judgement == "pass", [i for i in found.injections if not i.good]
    assert {i.fault for i in found.injections} == set(faults.split(","))
