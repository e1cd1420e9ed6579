"""Two computers share a sweep: the second one joins by command, with a state directory and a mirror of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.sweep import ground, locked, twelve
from tests.pgserver import postgres_server

from fulldress.adapters.scope import Scope
from fulldress.enginequeue import WorkQueue
from fulldress.model.plan import PlanLock
from fulldress.rehearse import crashsweep
from fulldress.rehearse.acts import forward_and_back
from fulldress.rehearse.clones import folder_name
from fulldress.rehearse.setting import Setting
from fulldress.rehearse.verdict import crash_check, undone_check
from fulldress.rehearse.wanted import wanted
from fulldress.store import folder as f
from fulldress.store.codec import write_json

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600), pytest.mark.usefixtures("as_root", "base_root")]

NAMES = ("program", "extra", "workers", "rows", "data")
RELEASE = """name = "swept"
package = "none.zip"
[estate]
hosts = ["machine:none"]
database = "postgres"
base-url = "file:///etc/swept/app.conf"
"""


@pytest.fixture
def setting(base_root: object) -> Iterator[Setting]:
    del base_root
    with Scope("t-join") as keeper, ground(keeper, keeper.id) as made:
        yield made


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


def test_a_second_computer_joins_by_command_and_both_play_passes(setting: Setting) -> None:
    lock = locked(setting.mirror.host, tuple(s for s in twelve() if s.id in NAMES), setting.blobs)
    place = Path(setting.mirror.tree).parents[1] / "another"
    folder, state = another_computer(setting, lock, place)
    ids, faults = [s.id for s in lock.plan.step], "kill-runner,kill-step"
    with postgres_server() as url:
        asked = wanted(ids, crash="inside", undo_at="each", faults=faults, workers=1, queue=url)
        mine = setting._replace(wanted=asked)
        back, _ = forward_and_back(mine, lock, name="rollback", title="back")
        found: list[crashsweep.Swept] = []
        leader = threading.Thread(target=lambda: found.append(crashsweep.sweep(mine, lock, back)))
        leader.start()
        queue, until = WorkQueue(url, setting.id), time.monotonic() + 30
        while queue.facts() is None and time.monotonic() < until:
            time.sleep(0.1)
        joined = subprocess.run(
            [sys.executable, "-m", "fulldress.cli.main", "rehearse", "--join", url, setting.id],
            cwd=folder, env={**os.environ, "FULLDRESS_STATE": str(state)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        leader.join(300)
    assert joined.returncode == 0, joined.stderr
    played = int(joined.stdout.split("; ")[1].split()[0])
    assert played >= 1, joined.stdout
    (swept,) = found
    assert swept.sweep.workers == 2
    assert undone_check(swept.sweep, len(NAMES)).judgement == "pass", swept.sweep.undone
    assert crash_check(swept.sweep).judgement == "pass", [i for i in swept.sweep.injections if not i.good]
    assert not list((state / "scratch/clones").glob("*"))
