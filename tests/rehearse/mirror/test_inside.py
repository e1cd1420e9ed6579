"""Programs of a mirror run without network, alone, and end with us however we end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fulldress.rehearse.mirror.inside import SHARED, Inside

pytestmark = pytest.mark.machine


@pytest.fixture
def inside(tree: Path, tmp_path: Path) -> Inside:
    tmp_path.chmod(0o755)
    (tmp_path / "hello").write_text("from us")
    return Inside(tree, tmp_path)


def test_a_program_runs_as_the_user_on_the_tree_with_our_folder(inside: Inside) -> None:
    done = inside.run(["sh", "-c", f"id -u; id -G; cat {SHARED}/hello -; ls /tmp"], 4711, 4712, stdin=b"; in")
    assert done.ok and done.stdout == b"4711\n4712\nfrom us; in"


def test_it_has_no_network_no_other_process_and_no_privileges(inside: Inside) -> None:
    script = "ls /sys/class/net 2>/dev/null; ls -d /proc/[0-9]* | wc -l; grep CapEff /proc/self/status; : > /etc/hostname"
    done = inside.run(["sh", "-c", script], 4711, 4712)
    count, capabilities = done.stdout.split()[0], done.stdout.split()[-1]
    assert int(count) < 8 and int(capabilities, 16) == 0
    assert not done.ok and b"Permission denied" in done.stderr


def test_a_program_that_takes_too_long_is_ended(inside: Inside) -> None:
    assert inside.run(["sleep", "60"], 0, 0, timeout_s=0.5).code is None


def test_when_we_are_killed_what_runs_inside_goes_too(inside: Inside) -> None:
    mark = "4242.4242"
    program = (
        "import sys; from pathlib import Path; from fulldress.rehearse.mirror.inside import Inside;"
        f"Inside(Path({str(inside.tree)!r}), Path({str(inside.shared)!r})).run(['sleep', '{mark}'], 0, 0)"
    )
    ours = subprocess.Popen([sys.executable, "-c", program], env={**os.environ})
    assert awaited(mark, there=True)
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    assert awaited(mark, there=False)


def awaited(mark: str, *, there: bool) -> bool:
    """Until a `sleep` of this length runs, or none does."""
    for _ in range(200):
        if (f"sleep\0{mark}\0".encode() in _commands()) is there:
            return True
        time.sleep(0.05)
    return False


def _commands() -> set[bytes]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            found.add(path.read_bytes())
    return found
