"""A staging host over SSH in the place of a clone. *Not full dress*, and labelled so: it is no copy of production.

It can be neither frozen nor cut off, no sink stands around it, and taking it away means to restore it by the command that
``[staging]`` of ``release.toml`` declares. Without such a command nothing is played: the second act would begin where the
first one ended.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from fulldress.errors import CapabilityMissing, FulldressError, UsageError
from fulldress.ports import CloneSource, Front, Host, Look
from fulldress.rehearse.clone import CloneFailed

ANSWER_S = 180.0
"""How long a restored host may take until it answers."""
RESTORE_S = 1800.0
_LOOK = r"""
cat /proc/sys/kernel/random/boot_id
for d in /sys/fs/cgroup/systemd /sys/fs/cgroup; do [ ! -f $d/cgroup.procs ] || { wc -l <$d/cgroup.procs; break; }; done
cd /run/systemd/transient 2>/dev/null && ls | grep -v ^fulldress-
"""


class StagingClone:
    """The staging host; implements ``ports.Clone`` as far as a host of others can."""

    writes: Path | None = None
    neutralised: tuple[str, ...] = ()
    trouble = ""

    def __init__(
        self, mirror: CloneSource, address: str, *, opened: Callable[[str], Host], restore: Sequence[str], front: str
    ) -> None:
        self.name, self.front = address, Front(url=front)
        self.seconds: dict[str, float] = {}
        self._mirror, self._open, self._restore = mirror, opened, tuple(restore)
        self._host: Host | None = None

    @property
    def host(self) -> Host:
        """The staging host."""
        if self._host is None:
            raise CloneFailed(f"staging host {self.name} is not in use")
        return self._host

    @property
    def running(self) -> bool:
        """True when it answers."""
        return self._host is not None and self._host.run(["true"], timeout_s=20).ok

    def __enter__(self) -> StagingClone:
        self.boot()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.destroy()

    def boot(self) -> Host:
        """Wait until it answers; refuses production itself."""
        began = time.monotonic()
        self._host = self._answering()
        self._refuse_production(self._host)
        self.seconds["boot"] = round(time.monotonic() - began, 3)
        return self._host

    def freeze(self) -> None:
        """A host of others cannot be frozen."""
        raise self._cannot("frozen")

    def thaw(self) -> None:
        """A host of others cannot be frozen."""
        raise self._cannot("frozen")

    def kill(self) -> None:
        """A host of others cannot be cut off."""
        raise self._cannot("cut off from power")

    def poweroff(self) -> None:
        """A host that was powered off could not be switched on again from here."""
        raise self._cannot("powered off: nobody here could switch it on again")

    def destroy(self) -> None:
        """Restore it by the declared command. Safe to call twice: a host that was not used is left alone."""
        if self._host is None:
            return
        self._host = None
        try:
            ended = subprocess.run(self._restore, capture_output=True, text=True, check=False, timeout=RESTORE_S)
            said, good = ended.stderr.strip()[-500:], ended.returncode == 0
        except (OSError, subprocess.TimeoutExpired) as error:
            said, good = str(error), False
        if not good:
            raise CloneFailed(
                f"staging host {self.name} could not be restored",
                why=said,
                fix=f"restore it by hand before the next rehearsal; declared is: {' '.join(self._restore)}",
            )

    def look(self) -> Look | None:
        """What runs in it now; asked over the connection."""
        done = self.host.run(["sh", "-c", _LOOK], timeout_s=20)
        lines = done.stdout.decode(errors="replace").split("\n")
        if done.code is None or len(lines) < 2:
            return None
        outside = int(lines[1]) if lines[1].isdigit() else 0
        return Look(boot=lines[0], outside=outside, transient=frozenset(filter(None, lines[2:])))

    def strain(self) -> Mapping[str, int]:
        """Nobody holds it to limits."""
        return {}

    def _answering(self) -> Host:
        until, said = time.monotonic() + ANSWER_S, ""
        while time.monotonic() < until:
            try:
                host = self._open(self.name)
                if host.run(["true"], timeout_s=20).ok:
                    return host
            except FulldressError as error:
                said = error.what
            time.sleep(1.0)
        raise CloneFailed(f"staging host {self.name} does not answer", why=said, fix="look at it, then rehearse again")

    def _refuse_production(self, host: Host) -> None:
        """The mirror knows production's machine-id; a staging host that has the same one is production, or a twin of it."""
        production = Path(self._mirror.tree, "etc/machine-id")
        mine = host.run(["cat", "/etc/machine-id"]).stdout.strip()
        theirs = production.read_bytes().strip() if production.is_file() and not production.is_symlink() else b""
        if mine and mine == theirs:
            self._host = None
            raise UsageError(
                f"staging host {self.name} has the machine-id of {self._mirror.host}",
                why="it is production, or cannot be told apart from it; nothing was done there",
                fix="name another host in [staging], or give the copy a machine-id of its own",
            )

    def _cannot(self, what: str) -> CapabilityMissing:
        return CapabilityMissing(
            f"staging host {self.name} cannot be {what}",
            why="a staging host is not full dress: only clones are at our mercy",
            fix="rehearse with --driver overlay or btrfs",
        )
