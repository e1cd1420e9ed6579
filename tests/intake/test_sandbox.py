"""The sandbox really confines: what is tried inside fails, for root and for anybody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.intake.poison import good

from fulldress.adapters import sandbox
from fulldress.errors import CapabilityMissing

pytestmark = pytest.mark.usefixtures("confined")

TRIES = """
import json, os, socket, sys, subprocess, ctypes, fcntl, termios
import pyseccomp  # before the interpreter's own folder may be out of reach
from pathlib import Path
from fulldress.adapters import sandbox
import fulldress.intake.child
store = Path(sys.argv[1]); outside = store.parent / "outside"
outside.write_text("secret")
kept = open(outside)
if len(sys.argv) > 2:
    os.chown(store, int(sys.argv[2]), -1)
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
sandbox.restrict(store, memory=1 << 30, cpu_seconds=20, file_bytes=1 << 20)
libc = ctypes.CDLL(None, use_errno=True)
def syscall(number, *args):
    if libc.syscall(number, *args) < 0:
        raise OSError(ctypes.get_errno(), "refused")
TRIES = {
    "read-passwd": lambda: open("/etc/passwd").read(),
    "read-beside": lambda: open(outside).read(),
    "list-root": lambda: os.listdir("/"),
    "write-beside": lambda: open(store.parent / "evil", "w"),
    "truncate-beside": lambda: os.truncate(outside, 0),
    "remove-beside": lambda: os.unlink(outside),
    "rename-out": lambda: os.rename(store / "mine", store.parent / "evil"),
    "link-in": lambda: os.link(outside, store / "stolen"),
    "symlink": lambda: os.symlink("/etc/passwd", store / "l"),
    "device": lambda: os.mknod(store / "d", 0o20600, os.makedev(1, 5)),
    "pipe": lambda: os.mkfifo(store / "p"),
    "chmod": lambda: os.chmod(store / "mine", 0o4755),
    "chown": lambda: os.chown(store / "mine", 1, 1),
    "tcp": lambda: socket.socket().connect(("127.0.0.1", 22)),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "spawn": lambda: subprocess.run(["/bin/true"]),
    "fork": lambda: os.fork(),
    "kill-parent": lambda: os.kill(os.getppid(), 0),
    "ptrace": lambda: syscall(101, 16, os.getppid(), 0, 0),
    "mount": lambda: syscall(165, b"none", store.as_posix().encode(), b"tmpfs", 0, None),
    "setuid": lambda: os.setuid(0),
    "type-into-terminal": lambda: fcntl.ioctl(0, termios.TIOCSTI, b"x"),
    "unshare": lambda: syscall(272, 0x10000000),
    "memory": lambda: bytearray(2 << 30),
    "large-file": lambda: (store / "big").write_bytes(bytes(2 << 20)),
    "other-proc": lambda: open(f"/proc/{os.getppid()}/environ").read(),
}
(store / "mine").write_bytes(b"x")
told = {}
for name, attempt in TRIES.items():
    try:
        attempt()
        told[name] = "allowed"
    except (OSError, MemoryError) as error:
        told[name] = type(error).__name__
(store / "sub").mkdir()
(store / "mine").rename(store / "sub/mine")
told["own-file"] = (store / "sub/mine").read_bytes().decode()
told["held-descriptor"] = kept.read()
os.write(1, json.dumps(told).encode())
os._exit(0)
"""


def tried(folder: Path, *more: str) -> dict[str, str]:
    store = folder / "store"
    store.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", TRIES, str(store), *more],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def assert_confined(told: dict[str, str], folder: Path) -> None:
    assert (told.pop("own-file"), told.pop("held-descriptor")) == ("x", "secret")
    assert len(told) == 28
    assert {name: said for name, said in told.items() if said == "allowed"} == {}
    assert (folder / "outside").read_text() == "secret"
    assert not (folder / "evil").exists()


def test_nothing_but_its_own_folder_is_in_reach(tmp_path: Path) -> None:
    assert_confined(tried(tmp_path), tmp_path)


@pytest.mark.usefixtures("as_root")
def test_an_unprivileged_user_is_confined_alike(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent == Path("/tmp") or parent.stat().st_uid != os.geteuid():
            break
        parent.chmod(parent.stat().st_mode | 0o111)
    assert_confined(tried(tmp_path, "65534"), tmp_path)


def test_the_child_reads_a_package_as_an_unprivileged_user(tmp_path: Path) -> None:
    """The walk itself, by somebody who owns only the store: no right of root's is needed."""
    script = """
import os, pyseccomp, sys
from fulldress.intake.child import serve, warm_up
from fulldress.intake.exchange import Request, Seat
warm_up()  # before the interpreter's own folder may be out of reach
from fulldress.intake.budgets import Budgets
fd = os.open(sys.argv[1], os.O_RDONLY)
pack = os.open(sys.argv[2], os.O_RDWR | os.O_TMPFILE)
if os.geteuid() == 0:
    os.chown(sys.argv[2], 65534, -1); os.setgroups([]); os.setgid(65534); os.setuid(65534)
serve(Request(name="p", package_fd=fd, seats=(Seat(pack),), budgets=Budgets()))
os._exit(0)
"""
    (tmp_path / "p.zip").write_bytes(good())
    (tmp_path / "store").mkdir()
    for parent in (tmp_path, *tmp_path.parents):
        if parent == Path("/tmp") or parent.stat().st_uid != os.geteuid():
            break
        parent.chmod(parent.stat().st_mode | 0o111)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "p.zip"), str(tmp_path / "store")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        timeout=60,
    )
    assert b'"lock"' in done.stdout, done.stderr.decode() + done.stdout.decode()


def test_a_kernel_without_landlock_is_a_missing_capability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "landlock_abi", lambda: 1)
    with pytest.raises(CapabilityMissing, match="this kernel has 1") as caught:
        sandbox.restrict(tmp_path, memory=1 << 30, cpu_seconds=1, file_bytes=1)
    assert caught.value.slug == "sandbox-missing"
