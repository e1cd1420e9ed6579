"""Nothing outlives a command: not after an error, Ctrl-C, kill -9, nor when the guardian is killed as well."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fulldress.adapters import leftovers, nspawn, procs, scope
from fulldress.adapters.scope import Scope

HOLDER = """
import sys, time
from pathlib import Path
from fulldress.adapters import nspawn
from fulldress.adapters.scope import Scope
from fulldress.rehearse.network import Network
from tests.conftest import lay_over
base, folder, label = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
with Scope(label) as scope, Network(scope, label=label) as network:
    root = lay_over(base, folder, scope)
    scope.keep("machine", label)
    print(scope.id, network.sink, flush=True)
    if sys.argv[4] == "booted":
        nspawn.boot(root, label, netns=network.inside)
        print("booted", flush=True)
        time.sleep(60)
    nspawn.boot(root, label, netns=network.inside)
    time.sleep(60)
"""


def gone(check: Callable[[], bool], seconds: float = 15.0) -> bool:
    until = time.monotonic() + seconds
    while check():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def held(scope_id: str, netns: str, folder: Path, label: str) -> list[str]:
    """What is still there."""
    found = [str(folder)] if folder.exists() else []
    found += [f"mount {m}" for m in scope.mounts_below(folder)]
    found += [netns] if Path("/run/netns", netns).exists() else []
    found += [f"machine {label}"] if nspawn.recorded(label) else []
    found += [scope_id] if scope.load(scope_id) else []
    running = subprocess.run(
        ["pgrep", "-f", f"machine={label}( |$)"], capture_output=True, text=True, check=False
    ).stdout.split()
    return found + [f"pid {pid}" for pid in running]


@pytest.mark.machine
@pytest.mark.parametrize(
    ("how", "when"), [(signal.SIGKILL, "booted"), (signal.SIGKILL, "booting"), (signal.SIGINT, "booting")]
)
def test_a_killed_command_leaves_nothing(how: signal.Signals, when: str, base_root: Path, scratch: Path) -> None:
    label = f"t-{when}-{how.name.lower()}-{os.getpid()}"
    folder = scratch / "clones" / label
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(base_root), str(folder), label, when],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert holder.stdout is not None
    try:
        scope_id, netns = holder.stdout.readline().split()
        if when == "booted":
            assert holder.stdout.readline() == "booted\n"
        else:
            assert gone(lambda: nspawn.recorded(label) is None)
            time.sleep(0.4)
        assert len(held(scope_id, netns, folder, label)) >= 5
        os.killpg(holder.pid, how)
        holder.wait(timeout=20)
        assert gone(lambda: bool(held(scope_id, netns, folder, label))), held(scope_id, netns, folder, label)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
        scope.reap()


@pytest.mark.machine
def test_the_next_command_reaps_what_even_the_guardian_could_not(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, subprocess\n"
        "from fulldress.adapters.scope import Scope\n"
        "s = Scope('t-reap').__enter__()\n"
        "s.keep('tree', sys.argv[1]); os.mkdir(sys.argv[1])\n"
        "s.keep('mount', sys.argv[1]); subprocess.run(['mount', '-t', 'tmpfs', 'none', sys.argv[1]], check=True)\n"
        "print(s.id, flush=True)\n"
        "os.kill(s._guardian.pid, signal.SIGKILL); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    folder = tmp_path / "left"
    ended = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    scope_id = ended.stdout.strip()
    assert scope.mounts_below(folder) == [folder]
    assert leftovers.Leftover(kind="mount", value=str(folder)) in leftovers.find()
    assert f"mount {folder}" in scope.reap()
    assert not folder.exists() and scope.load(scope_id) is None


@pytest.fixture
def needs_root() -> None:
    if os.geteuid() != 0:
        from tests.conftest import stand_aside

        stand_aside("needs root")


def test_an_error_in_the_block_takes_everything_away(tmp_path: Path, needs_root: None) -> None:
    with pytest.raises(ZeroDivisionError), Scope("t-error") as held_by:
        held_by.keep("tree", str(tmp_path / "a"))
        (tmp_path / "a").mkdir()
        _ = 1 // 0
    assert not (tmp_path / "a").exists() and scope.load(held_by.id) is None


def test_a_process_is_ended_and_a_recycled_pid_is_not(needs_root: None) -> None:
    child = subprocess.Popen(["sleep", "60"])
    started = procs.of(child.pid)
    assert started is not None
    with Scope("t-process") as held_by:
        held_by.keep("process", f"{child.pid}:{started.start - 1}")
    assert child.poll() is None
    with Scope("t-process") as held_by:
        held_by.keep("process", f"{child.pid}:{started.start}")
    assert child.wait(timeout=5) == -signal.SIGKILL


def test_releasing_early_and_twice_is_fine(tmp_path: Path, needs_root: None) -> None:
    with Scope("t-early") as held_by:
        held_by.keep("tree", str(tmp_path / "a"))
        (tmp_path / "a").mkdir()
        held_by.release("tree", str(tmp_path / "a"))
        held_by.release("tree", str(tmp_path / "a"))
        assert not (tmp_path / "a").exists()


def test_many_threads_may_keep_and_release_at_once(tmp_path: Path, needs_root: None) -> None:
    with Scope("t-many") as held, concurrent.futures.ThreadPoolExecutor(8) as pool:

        def life(number: int) -> None:
            folder = tmp_path / str(number)
            held.keep("tree", str(folder))
            folder.mkdir()
            if number % 2:
                held.release("tree", str(folder))

        list(pool.map(life, range(200)))
        record = scope.load(held.id)
        assert record is not None and sorted(record.held) == sorted(
            ("tree", str(tmp_path / str(n))) for n in range(0, 200, 2)
        )
    assert list(tmp_path.iterdir()) == []


def test_a_kind_that_nobody_can_take_away_is_refused(needs_root: None) -> None:
    with Scope("t-kind") as held_by, pytest.raises(ValueError, match="no way"):
        held_by.keep("rocket", "x")


def test_the_guardian_ends_with_its_scope(needs_root: None) -> None:
    with Scope("t-guardian") as held_by:
        guardian = held_by._guardian
        assert guardian is not None and guardian.poll() is None
    assert guardian.poll() == 0
