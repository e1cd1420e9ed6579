"""doctor: probes really try, say what a gap costs, and leave nothing; leftovers are found and swept."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from fulldress.adapters import doctor, leftovers, scope
from fulldress.adapters.doctor import Absent, Capability, Probe


def probe(attempt: object, **more: object) -> Probe:
    return Probe(name="it", attempt=attempt, costs="this much", install="do that", root=False, **more)  # type: ignore[arg-type]


def fails(error: Exception) -> object:
    def attempt() -> str:
        raise error

    return attempt


def test_what_works_costs_nothing() -> None:
    assert doctor._try(probe(lambda: "fine")) == Capability(name="it", state="ok", detail="fine")


@pytest.mark.parametrize("error", [Absent("no\nmore"), OSError(38, "no"), subprocess.TimeoutExpired("x", 1)])
def test_what_fails_says_why_what_it_costs_and_what_to_do(error: Exception) -> None:
    found = doctor._try(probe(fails(error)))
    assert (found.state, found.costs, found.install) == ("missing", "this much", "do that")
    assert found.detail and "\n" not in found.detail


def test_what_is_not_needed_degrades() -> None:
    found = doctor._try(probe(fails(Absent("no")), needed=False))
    assert found.state == "degraded" and doctor.fit([found])
    assert not doctor.fit([doctor._try(probe(fails(Absent("no"))))])


def test_without_root_it_says_so_and_tries_nothing_that_needs_it(monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = {c.name: c for c in doctor.examine()}
    assert found["systemd-nspawn"].detail == found["netns, veth"].detail == "needs root"
    assert found["seccomp"].state == "ok"
    assert not doctor.fit(list(found.values()))
    assert not (state / "scratch.img").exists()


def test_every_probe_says_what_it_costs_and_what_to_do() -> None:
    assert all(p.costs and p.install for p in doctor.PROBES)
    assert len({p.name for p in doctor.PROBES}) == len(doctor.PROBES) >= 14


@pytest.mark.machine
def test_here_everything_works_and_nothing_is_left(base_root: Path, scratch: Path) -> None:
    before = set(Path("/run/netns").iterdir()) if Path("/run/netns").exists() else set()
    mounted = len(scope.mounts_below(scratch))
    found = doctor.examine()
    assert [c for c in found if c.state == "missing"] == []
    assert len(scope.mounts_below(scratch)) == mounted
    now = set(Path("/run/netns").iterdir()) if Path("/run/netns").exists() else set()
    assert [p for p in now - before if "doctor" in p.name] == []


@pytest.mark.machine
def test_what_a_killed_command_left_on_disk_and_in_namespaces_is_swept(state: Path) -> None:
    name = f"fd-t-left-{os.getpid() % 0xFFFFFF:06x}"
    tree = state / "scratch" / "clones" / "left-1234"
    (tree / "upper").mkdir(parents=True)
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        wanted = {leftovers.Leftover(kind="tree", value=str(tree)), leftovers.Leftover(kind="netns", value=name)}
        assert wanted <= set(leftovers.find())
    finally:
        for leftover in wanted:
            scope.TAKE_AWAY[leftover.kind](leftover.value)
    assert not wanted & set(leftovers.find()) and not tree.exists()


def test_a_run_that_nobody_drives_is_stranded(state: Path) -> None:
    for name, status in (("done", "SUCCESS"), ("stranded", "PENDING"), ("driven", "PENDING")):
        folder = state / "runs" / name
        folder.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(folder / "engine.sqlite")) as database:
            database.execute("create table workflow_status (status text)")
            database.execute("insert into workflow_status values (?)", (status,))
            database.commit()
    (state / "runs" / "odd").mkdir()
    (state / "runs" / "odd" / "engine.sqlite").write_bytes(b"no database")
    with (state / "runs" / "driven" / "engine.sqlite").open("rb"):
        assert leftovers.stranded_runs() == ["stranded"]
    assert leftovers.stranded_runs() == ["driven", "stranded"]


@pytest.mark.machine
def test_what_a_living_command_holds_is_no_leftover(state: Path) -> None:
    tree = state / "scratch" / "clones" / "held-1234"
    with scope.Scope("t-held") as held:
        held.keep("tree", str(tree))
        tree.mkdir(parents=True)
        assert leftovers.Leftover(kind="tree", value=str(tree)) not in leftovers.find()
