"""Shared fixtures. A missing capability fails in CI (``CI=true``) and stands aside, with its reason, elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldress.adapters import nspawn, sandbox
from fulldress.adapters.image import copy_tree, image_path
from fulldress.adapters.scope import Scope
from fulldress.adapters.scratch import scratch_dir
from fulldress.ports import Keeper

# A suite started in the background of a shell inherits "ignore Ctrl-C", and so would every command that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

OWN_STATE = Path(os.environ.get("FULLDRESS_STATE", "/var/lib/fulldress"))
"""Where the base image is; tests that use the ``state`` fixture must not build their own."""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of the test's own."""
    path = tmp_path / "state"
    monkeypatch.setenv("FULLDRESS_STATE", str(path))
    return path


def stand_aside(reason: str) -> None:
    """Skip with a reason; in CI a missing capability is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"missing on this machine, which CI may not skip: {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _working_directory() -> Iterator[None]:
    """A test that leaves another working directory behind breaks those that start programs; it fails itself instead."""
    before = Path.cwd()
    yield
    assert Path.cwd() == before


@pytest.fixture
def confined() -> None:
    """Where processes can be confined (Landlock, seccomp)."""
    if missing := sandbox.missing():
        stand_aside(f"needs {missing}")


@pytest.fixture
def as_root() -> None:
    """Where we may change owners and mount."""
    if os.geteuid() != 0:
        stand_aside("needs root")


@pytest.fixture(scope="session")
def scratch() -> Path:
    """The scratch file system (reflinks): the one beside ``$FULLDRESS_TEST_BASE``, else that of the state directory."""
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        stand_aside("needs root and systemd-nspawn")
    named = os.environ.get("FULLDRESS_TEST_BASE")
    return Path(named).parent if named else scratch_dir(OWN_STATE)


@pytest.fixture(scope="session")
def image_root(scratch: Path) -> Path:
    """A root tree with systemd and PostgreSQL, never to be written: ``$FULLDRESS_TEST_BASE``, else the built base image."""
    named = os.environ.get("FULLDRESS_TEST_BASE")
    root = Path(named) if named else image_path(scratch)
    if not (root / "usr").is_dir():
        stand_aside(f"needs the base image in {root}: tools/bootstrap.sh machines")
    return root


@pytest.fixture(scope="session")
def keeper() -> Iterator[Scope]:
    """What session fixtures make is taken away at the end, also after Ctrl-C or kill -9."""
    with Scope("tests") as scope:
        yield scope


def quicken(root: Path) -> None:
    """Debian's pg_ctlcluster looks every 0.5 s whether the server is there, four times: 2.0 of the 2.3 s of a boot."""
    program = root / "usr/bin/pg_ctlcluster"
    text = program.read_text().replace("undef, 0.5", "undef, 0.02").replace("$attempt < 60", "$attempt < 1500")
    assert text.count("undef, 0.02") == 2 and "$attempt < 1500" in text, "pg_ctlcluster waits in another way now"
    program.write_text(text)


@pytest.fixture(scope="session")
def base_root(image_root: Path, scratch: Path, keeper: Scope) -> Path:
    """That tree, quickened, for machines of tests; never to be written."""
    folder = scratch / "clones" / f"base-{keeper.id}"
    keeper.keep("tree", str(folder))
    copy_tree(image_root, folder / "root")
    quicken(folder / "root")
    return folder / "root"


@pytest.fixture(scope="session")
def pg_machine(base_root: Path, scratch: Path, keeper: Scope) -> nspawn.Machine:
    """A real machine with PostgreSQL, shared by the session: an overlay over the base image."""
    name = f"t-{keeper.id}"
    merged = lay_over(base_root, scratch / "clones" / name, keeper)
    keeper.keep("machine", name)
    return nspawn.boot(merged, name)


def lay_over(lower: Path, folder: Path, keeper: Keeper) -> Path:
    """A writable view of a root tree in ``folder``; taken away with the keeper."""
    keeper.keep("tree", str(folder))
    upper, work, merged = (folder / name for name in ("upper", "work", "merged"))
    for directory in (upper, work, merged):
        directory.mkdir(parents=True)
    keeper.keep("mount", str(merged))
    layers = f"lowerdir={lower},upperdir={upper},workdir={work},xino=auto"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(merged)], check=True)
    return merged
