"""A second demo on one computer refuses or waits, and touches nothing of the first."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from demo import __main__ as main
from demo import alone

HOLDS = """
import sys, time
from pathlib import Path
from demo.alone import alone
with alone(lock=Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "run" / "demo.lock"


def test_the_second_is_told_who_plays(lock: Path) -> None:
    told = pytest.raises(alone.DemoPlays, match=r"another demo plays .*process \d+, in /")
    with alone.alone(lock=lock), told as refused, alone.alone(lock=lock):
        pass
    assert "--wait" in refused.value.fix


def test_when_the_first_has_ended_the_stage_is_free(lock: Path) -> None:
    for _ in range(2):
        with alone.alone(lock=lock):
            assert lock.read_text().count("process") == 1


def test_the_second_may_wait(lock: Path) -> None:
    leave, inside = threading.Event(), threading.Event()

    def first() -> None:
        with alone.alone(lock=lock):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(10)
    threading.Timer(0.3, leave.set).start()
    with alone.alone(60, lock=lock):
        assert leave.is_set()
    thread.join()


def test_a_killed_demo_holds_nothing(lock: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(lock)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(alone.DemoPlays), alone.alone(lock=lock):
            pass
        other.kill()
        other.wait()
    with alone.alone(lock=lock):
        assert lock.exists()


def test_the_demo_refuses_before_it_touches_anything(lock: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(alone, "LOCK", lock)
    monkeypatch.setattr(main.scope, "reap", lambda: pytest.fail("it took away what others made"))
    began = time.monotonic()
    with alone.alone(lock=lock):
        done = CliRunner().invoke(main.demo, ["--into", str(tmp_path / "release")])
    assert isinstance(done.exception, alone.DemoPlays)
    assert not (tmp_path / "release").exists() and time.monotonic() - began < 30
