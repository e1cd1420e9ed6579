"""Faults as they are done to a clone, each with the evidence that it happened. Knows no plan and no verdict.

What happens inside a step is done to a frozen machine: the step is seen to have begun and not to have ended at the very
moment at which its runner, its processes or the machine are killed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from fulldress.adapters import nspawn
from fulldress.adapters.procs import Proc, wait_gone
from fulldress.adapters.transient import HOME, unit_name
from fulldress.errors import CapabilityMissing, FulldressError
from fulldress.model.faults import Fault
from fulldress.ports import Clone
from fulldress.rehearse.runner import Link, Runner

SERVERS = frozenset({"postgres", "mariadbd", "mysqld"})
BOOTS = 3
CUT_S = 1.0
"""How long the line stays cut; longer than the engine's first retries."""
LEFT = 1 << 20
"""Bytes that a full disk still has: less than a step needs, and a file system does not stumble over its own metadata."""

JobState = Literal["unclaimed", "running", "done"]


class Hit(NamedTuple):
    """Whether a fault happened, and how that is known."""

    fired: bool
    evidence: str
    runner_gone: bool = False


class Victim:
    """A clone as the one who breaks it sees it."""

    def __init__(self, clone: Clone, link: Link, ballast: Path | None = None) -> None:
        self.clone, self.link = clone, link
        self.ballast = ballast
        """A file on the clone's own disk that can be grown until nothing is left; None: the disk is shared."""
        self.cuts = 0
        """Power cuts so far."""

    @property
    def machine(self) -> nspawn.Machine:
        """The booted clone; CapabilityMissing when its driver boots something else than a machine of this host."""
        guest = self.clone.host
        if not isinstance(guest, nspawn.Machine):
            raise CapabilityMissing(
                f"{guest.name} cannot be broken on purpose",
                why="a crash sweep freezes, kills and boots machines of this host",
                fix="rehearse on clones of a mirror, or without --crash",
            )
        return guest

    # what a step's job on the machine has come to, seen in its directory from outside: only whether files are there

    def job_state(self, job: str) -> JobState:
        """Whether the job's claim and its result exist."""
        folder = self._steps / job
        if os.path.lexists(folder / "result"):
            return "done"
        return "running" if os.path.lexists(folder / "claim") else "unclaimed"

    def began(self, job: str) -> bool:
        """The job's own script has been started, not only claimed."""
        return os.path.lexists(self._steps / job / "output")

    @property
    def _steps(self) -> Path:
        return self.machine.root / HOME.lstrip("/") / "steps"

    # the faults

    def kill_runner(self, runner: Runner) -> Hit:
        """SIGKILL to the orchestrator."""
        pid, code = runner.pid, runner.kill()
        return Hit(code == -9, f"runner {pid} ended by signal {-(code or 0)}", runner_gone=True)

    def kill_step(self, job: str) -> Hit:
        """SIGKILL to everything in the step's own unit, and to nothing else."""
        found = self.machine.processes(f"{unit_name(job)}.service")
        for process in found:
            process.signal(9)
        return Hit(bool(found), f"{len(found)} processes of the step got signal 9: {_pids(found)}")

    def power_cut(self) -> Hit:
        """The machine is gone from one moment to the next; then it boots from what its disk holds."""
        machine = self.machine
        init = machine.leader
        self.clone.kill()
        dead = wait_gone(init, 10)
        self.boot()
        self.cuts += 1
        return Hit(
            dead and init != self.machine.leader,
            f"init {init.pid} of the machine killed, booted again as {self.machine.leader.pid}",
        )

    def boot(self) -> None:
        """Boot again; what fails to boot once on a busy machine is tried again."""
        for attempt in range(BOOTS):
            try:
                self.clone.boot()
                return
            except (FulldressError, OSError):
                if attempt == BOOTS - 1:
                    raise
                time.sleep(0.5)

    def kill_database(self) -> tuple[Hit, set[str]]:
        """SIGKILL to every process of the database server; also the units that ran them, to be started again."""
        found, units = [], set()
        for process in self.machine.processes():
            if _name(process) in SERVERS:
                found.append(process)
                units.add(_unit(process))
        for process in found:
            process.signal(9)
        units.discard("")
        return Hit(bool(found), f"{len(found)} processes of the database server got signal 9: {_pids(found)}"), units

    def start_again(self, units: set[str]) -> None:
        """What whoever watches the server does: start its units."""
        for unit in sorted(units):
            self.machine.run(["systemctl", "reset-failed", unit])
            self.machine.run(["systemctl", "restart", unit], timeout_s=120)

    def cut_link(self) -> Hit:
        """The line between runner and machine is down from now on."""
        self.link.sever()
        return Hit(True, "")

    def join_link(self, lost_before: int) -> Hit:
        """The line is up again; it counts when something was lost on it."""
        self.link.join()
        lost = self.link.lost - lost_before
        return Hit(lost > 0, f"{lost} requests or answers were lost while the line was cut")

    def fill(self) -> Hit:
        """Leave nothing of the clone's own disk."""
        if self.ballast is None:
            return Hit(False, "its disk is shared with other clones")
        free = _free(self.ballast.parent)
        with self.ballast.open("ab") as stream:
            if free > LEFT:
                os.posix_fallocate(stream.fileno(), stream.tell(), free - LEFT)
        left = _free(self.ballast.parent)
        with contextlib.suppress(OSError):
            self.machine.thaw()
        refused = not self.machine.run(["dd", "if=/dev/zero", "of=/var/tmp/.fulldress-full", "bs=1M", "count=8"]).ok
        self.machine.run(["rm", "-f", "/var/tmp/.fulldress-full"])
        return Hit(refused, f"{left >> 10} KiB left of the disk; writing 8 MiB {'failed' if refused else 'worked'}")

    def free(self) -> None:
        """Give the disk back."""
        if self.ballast is not None:
            self.ballast.unlink(missing_ok=True)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Nothing in the machine moves."""
        machine = self.machine
        machine.freeze()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # it was killed meanwhile
                machine.thaw()


def instant(victim: Victim, fault: Fault, runner: Runner, job: str) -> Hit:
    """The faults that are over as soon as they are done."""
    if fault == "kill-runner":
        return victim.kill_runner(runner)
    if fault == "kill-step":
        return victim.kill_step(job)
    if fault == "power-cut":
        return victim.power_cut()
    raise ValueError(f"{fault} takes its time")


def _free(folder: Path) -> int:
    seen = os.statvfs(folder)
    return seen.f_bavail * seen.f_frsize


def _pids(found: list[Proc]) -> str:
    return ", ".join(str(process.pid) for process in found[:6]) + (" and more" if len(found) > 6 else "")


def _name(process: Proc) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/comm").read_text().strip()
    return ""


def _unit(process: Proc) -> str:
    """The service that a process belongs to, by its control group."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/cgroup").read_text().splitlines():
            parts = [part for part in line.split("/") if part.endswith(".service")]
            if parts:
                return parts[-1]
    return ""
