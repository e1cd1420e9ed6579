"""Programs that misbehave: whatever one does, it ends, reaches no network, and its words are parsed, never trusted."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.conftest import stand_aside

from fulldress.adapters.peers import NAMES, QUICK, asking, kingfisher, shellcheck, squawk, systemd_analyze
from fulldress.adapters.peers.asking import PeerFile, Said, as_finding, ask, cut_off

MODULES = (shellcheck, squawk, systemd_analyze, kingfisher)


def fake(folder: Path, body: str) -> str:
    """A program of ours in the place of a peer."""
    path = folder / "fake"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def room(tmp_path: Path) -> Path:
    (tmp_path / "room").mkdir()
    return tmp_path / "room"


FILES = [PeerFile("a.deb!/x.service", lambda: b"[Service]\nExecStart=/bin/true\n")]


def test_every_name_has_a_module() -> None:
    assert sorted(m.NAME for m in MODULES) == sorted(NAMES)
    assert set(QUICK) < set(NAMES)


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.NAME)
@pytest.mark.parametrize(
    "body",
    [
        "print('nonsense')",
        "sys.exit(3)",
        "os.kill(os.getpid(), 9)",
        "sys.stdout.buffer.write(b'\\xff\\xfe{\"comments\": [1]}')",
        'print(\'{"comments": [{"file": "../../etc/passwd", "line": 1, "level": "error", "code": 1, "message": "x"}]}\')',
    ],
)
def test_garbage_is_no_answer(module: object, body: str, tmp_path: Path, room: Path) -> None:
    answer = module.query(fake(tmp_path, body), FILES, room)  # type: ignore[attr-defined]
    assert answer.said == ()


def test_one_that_hangs_ends_with_what_it_started(tmp_path: Path, room: Path) -> None:
    mark = tmp_path / "mark"
    body = f"import fcntl\nheld = open({str(mark)!r}, 'w')\nfcntl.flock(held, fcntl.LOCK_EX)\nos.fork()\ntime.sleep(300)"
    assert ask([fake(tmp_path, body)], room, 1.5).code is None
    with mark.open() as free:  # the lock is both processes'; it was not there for us while one of them lived
        for _ in range(100):
            with contextlib.suppress(BlockingIOError):
                return fcntl.flock(free, fcntl.LOCK_EX | fcntl.LOCK_NB)
            time.sleep(0.1)
    pytest.fail("one of them lives")


def test_it_reaches_no_network(tmp_path: Path, room: Path) -> None:
    if not cut_off():
        stand_aside("a kernel that lets a process give up its network")
    with socket.create_server(("127.0.0.1", 0)) as server:
        met = threading.Event()
        threading.Thread(target=lambda: (server.accept(), met.set()), daemon=True).start()
        body = f"import socket\nsocket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 1)"
        assert ask([fake(tmp_path, body)], room, 10).code == 1
        assert not met.is_set()
        socket.create_connection(server.getsockname(), 1).close()


def test_it_gets_no_environment_of_ours(tmp_path: Path, room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_TOKEN", "geheim")
    out = ask([fake(tmp_path, "print(dict(os.environ))")], room, 10).out
    assert b"OUR_TOKEN" not in out and str(room).encode() in out


def test_names_of_the_package_are_never_names_of_files(room: Path) -> None:
    names = asking.laid_out([PeerFile("../../--help", lambda: b"x"), PeerFile("-rf\n", lambda: b"y")], room, ".sql")
    assert names == {"000000.sql": "../../--help", "000001.sql": "-rf\n"}


def test_the_same_opinion_in_many_places_is_one_finding() -> None:
    said = [Said("a", n, "SC1", "info", "m") for n in range(9)]
    finding = as_finding("shellcheck", said[0], said[1:])
    assert finding.rule == "shellcheck/SC1" and "(9 times)" in finding.title and "and 4 more places" in finding.consequence
