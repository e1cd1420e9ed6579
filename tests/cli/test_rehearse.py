"""Options of ``rehearse`` that are refused before anything is begun, and joining somebody else's sweep."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from tests.plan.test_lock import locked, step

from fulldress.cli.commands.rehearse import command
from fulldress.enginequeue import WorkQueue
from fulldress.errors import CapabilityMissing, FulldressError, NothingToDo, Stale, UsageError
from fulldress.model.plan import PlanLock
from fulldress.rehearse.network import Wiring
from fulldress.rehearse.sweepworker import Shared
from fulldress.store import folder as f
from fulldress.store.codec import read_json, write_json


@pytest.fixture
def folder(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> f.ReleaseFolder:
    del state
    folder, lock = locked(tmp_path / "release", step(ident="01-a"), step(ident="02-b"))
    write_json(folder.path(f.PLAN_LOCK), lock)
    monkeypatch.chdir(folder.root)
    return folder


def rehearse(*argv: str) -> BaseException | None:
    return CliRunner().invoke(command, list(argv), standalone_mode=False).exception


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--times", "0"], "--times"),
        (["--undo-at", "03"], "no step begins with '03'"),
        (["--crash", "during"], "'during' is not known"),
        (["--crash", "each", "--faults", "flood"], "'flood' is not known"),
        (["--points", "99"], "--points"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_begun(folder: f.ReleaseFolder, argv: list[str], said: str) -> None:
    error = rehearse(*argv)
    assert isinstance(error, UsageError)
    assert said in str(error)
    assert not folder.path(f.REHEARSALS).exists()


def test_nothing_to_join(folder: f.ReleaseFolder, tmp_path: Path) -> None:
    del folder
    assert isinstance(rehearse("--join", f"sqlite:///{tmp_path}/q.sqlite", "no-such"), NothingToDo)
    assert isinstance(rehearse("--join", "gopher://x", "no-such"), FulldressError)


def test_only_the_same_plan_is_swept_together(folder: f.ReleaseFolder, tmp_path: Path) -> None:
    del folder
    queue = WorkQueue(f"sqlite:///{tmp_path}/q.sqlite", "one")
    other = Shared(id="one", plan_digest="f" * 64, host="machine:m", faults=(), expected=(), wiring=Wiring())
    queue.open(msgspec.json.encode(other))
    error = rehearse("--join", queue.url, "one")
    assert isinstance(error, Stale)
    assert "ffffffffffffffff there" in str(error.why)


def test_a_machine_without_the_plans_contents_plays_nothing_that_would_count(
    folder: f.ReleaseFolder, tmp_path: Path
) -> None:
    lock = read_json(folder.path(f.PLAN_LOCK), PlanLock)
    scripts = tuple(msgspec.structs.replace(script, blobs=("a" * 64,)) for script in lock.scripts)
    write_json(folder.path(f.PLAN_LOCK), msgspec.structs.replace(lock, scripts=scripts))
    queue = WorkQueue(f"sqlite:///{tmp_path}/q.sqlite", "one")
    queue.open(
        msgspec.json.encode(
            Shared(id="one", plan_digest=lock.digest, host="machine:m", faults=(), expected=(), wiring=Wiring())
        )
    )
    (number,) = queue.put([b"{}"])
    error = rehearse("--join", queue.url, "one")
    assert isinstance(error, CapabilityMissing)
    assert "1 contents of the plan are not on this machine, the first is aaaaaaaaaaaaaaaa" in error.what
    assert str(tmp_path / "state/blobs") in error.fix
    taken = queue.take("somebody else")
    assert taken is not None
    assert (taken.number, taken.takes) == (number, 1)
