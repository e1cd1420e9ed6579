"""Shared fixtures. A missing capability fails in CI (``CI=true``) and stands aside, with its reason, elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fulldress.adapters import nspawn


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


@pytest.fixture(scope="session")
def pg_machine() -> Iterator[nspawn.Machine]:
    """A real machine with PostgreSQL, shared by the session: an overlay over ``$FULLDRESS_TEST_BASE`` (a root tree)."""
    base = Path(os.environ.get("FULLDRESS_TEST_BASE", "/nonexistent"))
    if os.geteuid() != 0 or not (base / "usr").is_dir() or shutil.which("systemd-nspawn") is None:
        stand_aside("needs root, systemd-nspawn and a root tree named by FULLDRESS_TEST_BASE")
    scratch = Path(tempfile.mkdtemp(prefix="pg-machine-", dir=base.parent))
    upper, work, merged = (scratch / name for name in ("upper", "work", "merged"))
    for directory in (upper, work, merged):
        directory.mkdir()
    layers = f"lowerdir={base},upperdir={upper},workdir={work},xino=auto"
    machine = None
    try:
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(merged)], check=True)
        machine = nspawn.boot(merged, f"t-{scratch.name[-8:].lower().replace('_', 'x')}")
        yield machine
    finally:
        if machine is not None:
            machine.kill()
        subprocess.run(["umount", str(merged)], check=False)
        shutil.rmtree(scratch, ignore_errors=True)
