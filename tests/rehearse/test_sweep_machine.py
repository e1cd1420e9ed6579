"""A crash sweep on real clones: everything fires, everything is equal, and one missing undo is named by file and row."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
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
from fulldress.rehearse.setting import Setting
from fulldress.rehearse.verdict import crash_check, proof_check, undone_check
from fulldress.rehearse.wanted import wanted

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600), pytest.mark.usefixtures("as_root", "base_root")]


@pytest.fixture(scope="module")
def setting(base_root: object) -> Iterator[Setting]:
    del base_root
    with Scope("t-sweep") as keeper, ground(keeper, keeper.id) as made:
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


def kill_one(url: str, work: str) -> None:
    """SIGKILL to the worker that took the first item, a moment after it took it."""
    queue, until = WorkQueue(url, work), time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.2)
        if queue.facts() is not None and (holders := queue.holders()):
            time.sleep(1)
            os.kill(int(holders[0].rpartition(":")[2]), signal.SIGKILL)
            return


def test_two_workers_one_killed_and_everything_fired_and_is_equal(setting: Setting) -> None:
    with postgres_server() as url:
        killer = threading.Thread(target=kill_one, args=(url, f"{setting.id}pair"))
        killer.start()
        found = swept(
            setting, short(setting, "extra", "rows"), "pair", crash="inside", undo_at="each", workers=2, queue=url
        ).found
        killer.join()
    assert undone_check(found, 2).judgement == "pass", found.undone
    assert crash_check(found).judgement == "pass", [i for i in found.injections if not i.good]
    assert len(found.injections) == 2 * 3 + 2 * 3 + 2
    assert {i.ending for i in found.injections if i.phase == "do"} == {"completed", "rolled-back"}
    assert all("signal 9" in i.evidence or "killed" in i.evidence for i in found.injections)


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
