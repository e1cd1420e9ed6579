"""What a bad step does to a clone stays there, and is said.

Every script is bounded, so that it could not do this host much harm even where containment failed: one second for the
clock, a little above the limit for processes, memory and disk.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.rehearse.cloning import mirror_of

from fulldress import engine
from fulldress.adapters import cgroups, nspawn, transient
from fulldress.adapters.cgroups import Limits
from fulldress.adapters.scope import Scope
from fulldress.model.plan import Plan, PlanLock, Step, StepScripts, StepTiming
from fulldress.ports import Clone
from fulldress.rehearse.clones import TreeDriver
from fulldress.rehearse.containment import Containment
from fulldress.rehearse.network import Network
from fulldress.store.journal import Journal

pytestmark = pytest.mark.machine
MB = 1 << 20
LIMITS = Limits(memory=400 * MB, tasks=200, devices=True)
DISK = 300 * MB
BOMB = "import os, time\nfor _ in range(400):\n try:\n  os.fork() or (time.sleep(2), os._exit(0))\n except OSError: pass"
DOUBLE = "import os, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(301)"
LEAVE = "for d in systemd unified .; do f=/sys/fs/cgroup/$d/cgroup.procs; [ ! -f $f ] || echo 0 >$f; done"
OWN_UNIT = "sed -n 's/^1:name=systemd://p;s/^0:://p' /proc/self/cgroup | grep -v '^/$' | head -n 1"
SET_CLOCK = "import time; time.clock_settime(0, time.time() + 1)"
CAP_SYS_TIME, CAP_SYS_MODULE = 1 << 25, 1 << 16


@contextlib.contextmanager
def cloned(base: Path, scratch: Path, keeper: Scope) -> Iterator[Clone]:
    driver = TreeDriver("overlay", scratch, keeper, nspawn.boot, limits=LIMITS, disk=DISK)
    with Network(keeper, label="t-bad") as network, driver.make(mirror_of(base), network, label="t-bad") as clone:
        yield clone


@pytest.fixture(scope="module")
def clone(base_root: Path, scratch: Path, keeper: Scope) -> Iterator[Clone]:
    with cloned(base_root, scratch, keeper) as clone:
        yield clone


class Stepped:
    """Nasty steps, played by the engine that runs plans; the last one may fail."""

    def __init__(self, clone: Clone, folder: Path, *scripts: str, names: tuple[str, ...] = ("bad",)) -> None:
        self.watch = Containment(clone)
        lock = PlanLock(
            digest="",
            plan=Plan(release="r", host="h", step=tuple(Step(id=n, kind="script", title=n, timeout_s=30) for n in names)),
            scripts=tuple(StepScripts(id=name, do=do) for name, do in zip(names, scripts, strict=True)),
            inputs={},
            package_sha256="",
            adapted_sha256="",
        )
        journal, run_id = folder / "journal.jsonl", f"r{time.time_ns()}"

        def perform(on_event: object) -> engine.Outcome:
            return engine.perform(
                lock,
                clone.host,
                run_id=run_id,
                state_dir=folder,
                journal=Journal(journal),
                push=lambda _: b"",
                on_event=on_event,  # type: ignore[arg-type]
                rollback_on_failure=False,
            )

        self.steps = {timing.id: timing for timing in self.watch.played(perform, journal, lambda _: None)}
        self.found = "\n".join(self.watch.found)

    @property
    def timing(self) -> StepTiming:
        """Of a single step."""
        return self.steps["bad"]

    def of(self, step: str) -> list[str]:
        """What was found of one step."""
        return [text for text in self.watch.found if f"step {step}" in text]


def wall() -> float:
    return time.time() - time.monotonic()


def most_tasks(clone: Clone) -> str:
    """The limit as this host holds it."""
    top = cgroups._MOUNT
    files = [*top.glob(f"fulldress/{clone.name}/pids.max"), *top.glob(f"pids/fulldress/{clone.name}/pids.max")]
    return files[0].read_text().strip()


def seen(what: str) -> list[str]:
    """This host's own addresses or routes; those of namespaces that others make and unmake here have an ``@``."""
    said = subprocess.run(["ip", "-o", what], capture_output=True, text=True, check=True).stdout
    return [" ".join(line.split()[:4]) for line in said.splitlines() if "@" not in line]


DISK_NODE = f"b {os.major(Path('/').stat().st_dev)} {os.minor(Path('/').stat().st_dev)}"
KEPT = {path: Path(path).read_text() for path in ("/proc/sys/vm/swappiness", "/proc/sys/kernel/core_pattern")}
SCRIPTS = {
    "daemon": f"setsid -f sleep 301 >/dev/null 2>&1 </dev/null; python3 -c '{DOUBLE}' >/dev/null 2>&1; sleep 0.3",
    "unit": "systemd-run --unit=hidden-worker sleep 302",
    "leaver": f"setsid -f sh -c '{LEAVE}; exec sleep 303' >/dev/null 2>&1; sleep 0.3",
    "init": "kill -9 1; sleep 0.2",
    "bomb": f"exec python3 -c '{BOMB}'",
    "lift": "mkdir -p /mnt/c; mount -t cgroup -o pids none /mnt/c; ls /mnt/c/pids.max; "
    "for f in /mnt/c/pids.max /sys/fs/cgroup/pids/pids.max; do echo max >$f; done; umount /mnt/c; true",
    "clock": f"date -s '+1 second'; python3 -c '{SET_CLOCK}'; timedatectl set-time '+1 second'; hwclock --systohc; true",
    "kernel": "; ".join(f"echo {text.strip()!r} > {path} && echo WRITTEN" for path, text in KEPT.items())
    + f"; sysctl -w vm.swappiness={KEPT['/proc/sys/vm/swappiness'].strip()} && echo SET"
    + "; [ ! -w /proc/sysrq-trigger ] || echo WRITABLE; true",
    "disk": f"mknod /srv/disk {DISK_NODE} || exit 0; dd if=/srv/disk of=/dev/null bs=512 count=1 && echo READ; "
    "mount -o ro /srv/disk /mnt && echo MOUNTED; true",
    "network": "ip link set host0 down; ip route flush all; ip addr flush dev lo; true",
}


class Before(NamedTuple):
    """This host before the steps."""

    wall: float
    addresses: list[str]
    routes: list[str]
    boot: str


@pytest.fixture(scope="module")
def before(clone: Clone) -> Before:
    """What must not change; and that the steps could not do much harm if it could."""
    bounds = int(clone.host.run(["grep", "CapBnd", "/proc/1/status"]).stdout.split()[1], 16)
    assert not bounds & (CAP_SYS_TIME | CAP_SYS_MODULE), "or else nothing is tried"
    assert most_tasks(clone) == str(LIMITS.tasks), "or else no bomb"
    return Before(wall(), seen("addr"), seen("route"), clone.host.boot_id())


@pytest.fixture(scope="module")
def played(clone: Clone, before: Before, tmp_path_factory: pytest.TempPathFactory) -> Stepped:
    """All steps that go on to their end, in one plan."""
    return Stepped(clone, tmp_path_factory.mktemp("played"), *SCRIPTS.values(), names=tuple(SCRIPTS))


class TestAPlanOfBadSteps:
    def test_all_of_them_ended(self, played: Stepped) -> None:
        assert {name: timing.code for name, timing in played.steps.items()} == dict.fromkeys(SCRIPTS, 0)

    def test_a_daemon_ends_with_its_step_and_is_said(self, played: Stepped, clone: Clone) -> None:
        assert played.of("daemon") == ["2 processes were left behind by step daemon, and ended with it"]
        assert clone.host.run(["pgrep", "-f", "slee[p].301"]).code == 1

    def test_a_unit_of_its_own_is_said(self, played: Stepped) -> None:
        assert played.of("unit") == ["step unit left running outside itself: hidden-worker.service"]

    def test_a_process_that_leaves_every_unit_is_said(self, played: Stepped) -> None:
        assert played.of("leaver") == ["step leaver left 1 processes running outside every unit"]

    def test_init_cannot_be_killed_from_inside(self, played: Stepped, clone: Clone, before: Before) -> None:
        assert played.of("init") == [] and clone.host.boot_id() == before.boot

    def test_a_bomb_of_forks_ends_at_the_limit(self, played: Stepped, clone: Clone) -> None:
        said, *left = played.of("bomb")  # its children are left behind, and end with it
        assert len(left) <= 1 and said.startswith(
            f"step bomb: refused to fork, {LIMITS.tasks} processes were all there could be ("
        )
        assert clone.host.run(["true"]).ok

    def test_the_limit_cannot_be_lifted_from_inside(self, played: Stepped, clone: Clone) -> None:
        assert most_tasks(clone) == str(LIMITS.tasks)

    def test_the_clock_is_not_the_clones(self, played: Stepped, before: Before) -> None:
        assert abs(wall() - before.wall) < 0.1
        assert played.of("clock") == ["step clock tried to set the clock, which a clone may not"]

    def test_kernel_settings_are_refused_and_that_is_not_hidden(self, played: Stepped) -> None:
        output = played.steps["kernel"].output
        assert not any(word in output for word in ("WRITTEN", "WRITABLE", "SET")), output
        assert "Refused in the clone, so not shown: step kernel changed settings of the kernel." in played.watch.notes
        assert {path: Path(path).read_text() for path in KEPT} == KEPT

    def test_this_hosts_disk_cannot_be_read(self, played: Stepped) -> None:
        output = played.steps["disk"].output
        assert output and "READ" not in output and "MOUNTED" not in output

    def test_its_network_can_be_torn_down_without_ours(self, played: Stepped, before: Before) -> None:
        assert (seen("addr"), seen("route")) == (before.addresses, before.routes)


@pytest.mark.parametrize("script", ["kill -9 $PPID; sleep 5", f"systemctl kill -s KILL $(basename $({OWN_UNIT})); sleep 5"])
def test_killing_what_supervises_it_is_a_failed_step_not_a_hang(clone: Clone, tmp_path: Path, script: str) -> None:
    bad = Stepped(clone, tmp_path, script)
    assert bad.timing.ended - bad.timing.started < 20 and bad.timing.code not in (0, None)
    if bad.timing.code == 99:
        assert bad.found == "what supervises step bad was killed: nobody can tell how the step ended"
    assert clone.host.run(["true"]).ok


def test_a_program_that_eats_memory_is_killed_not_this_host(clone: Clone, tmp_path: Path) -> None:
    bad = Stepped(clone, tmp_path, f"exec python3 -c 'b = bytearray({LIMITS.memory + 100 * MB}); print(1)'")
    assert bad.timing.code != 0 and bad.found == "step bad: killed for memory, 0.4 GB were all there was"
    assert clone.host.run(["true"]).ok


def test_a_full_disk_is_the_clones_own(base_root: Path, scratch: Path, keeper: Scope, clone: Clone, tmp_path: Path) -> None:
    free = os.statvfs(scratch).f_bavail * os.statvfs(scratch).f_frsize
    if free < 6 * DISK:
        pytest.fail("too little room to try")
    with cloned(base_root, scratch, keeper) as victim:
        script = f"dd if=/dev/zero of=/srv/full bs=1M count={4 * DISK // MB} conv=fdatasync; sleep 120"
        began = time.monotonic()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transient, "ATTEMPTS", 2)
            bad = Stepped(victim, tmp_path, script)
        assert time.monotonic() - began < 60, "it was stopped, not waited for"
        assert bad.watch.over and not victim.running
        assert "its disk, 0.31 GB were allowed" in bad.found and bad.timing.code == 99
        assert clone.host.run(["sh", "-c", "echo x > /srv/still; sync /srv/still"]).ok
        folder = victim.folder  # type: ignore[attr-defined]
        assert folder.exists()
    assert not folder.exists(), "what it wrote is gone with it"


class TestGoingDown:
    def test_a_step_that_reboots_is_said_and_the_rehearsal_goes_on(self, clone: Clone, tmp_path: Path) -> None:
        began, first = time.monotonic(), clone.host.boot_id()
        bad = Stepped(clone, tmp_path, "systemctl reboot; sleep 60")
        assert time.monotonic() - began < 30
        assert clone.host.boot_id() != first
        assert bad.found == "step bad rebooted the machine" and bad.timing.code == 99

    def test_a_step_that_halts_is_said_and_the_machine_switched_on_again(
        self, clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transient, "ATTEMPTS", 2)
        bad = Stepped(clone, tmp_path, "poweroff -f; sleep 60")
        assert bad.found == "step bad switched the machine off; it was switched on again to go on"
        assert bad.timing.code == 99 and clone.host.run(["true"]).ok
