"""One control group per machine, on cgroup v2, hybrid and v1, so that two machines never share one.

systemd-nspawn puts its payload below the group it was started in; two machines started from one shell would get the
same group and their inits would fight over it.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

TOP = "fulldress"
_MOUNT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """Mount points of the hierarchies a machine needs a group in; the one that can freeze comes first."""
    if (_MOUNT / "cgroup.controllers").exists():
        return [_MOUNT]
    return [_MOUNT / name for name in ("unified", "freezer", "systemd") if (_MOUNT / name / "cgroup.procs").exists()]


def kind() -> str:
    """``v2``, ``hybrid``, ``v1`` or ``none``."""
    if (_MOUNT / "cgroup.controllers").exists():
        return "v2"
    if (_MOUNT / "unified" / "cgroup.procs").exists():
        return "hybrid"
    return "v1" if hierarchies() else "none"


def groups(name: str) -> list[Path]:
    """The machine's groups. Its supervisor stays outside: on v2 a group with children must hold no process itself."""
    return [top / TOP / name for top in hierarchies()]


def make(name: str) -> list[Path]:
    """Make the machine's groups; returns the ``cgroup.procs`` files to enter."""
    entries = _made(groups(name))
    for top in hierarchies():
        _hand_down(top / TOP)
    return entries


def _hand_down(group: Path) -> None:
    """Let the machines have every controller that this host gives (v2 only), so that limits in their units hold."""
    controllers = group / "cgroup.controllers"
    for name in controllers.read_text().split() if controllers.exists() else []:
        with contextlib.suppress(OSError):  # one that cannot be had, the machine does without
            (group / "cgroup.subtree_control").write_text(f"+{name}")


def supervisors() -> list[Path]:
    """The ``cgroup.procs`` of the one group where all supervisors sit, so that no logout takes them along."""
    return _made([top / TOP / "_supervisors" for top in hierarchies()])


def _made(wanted: list[Path]) -> list[Path]:
    for group in wanted:
        group.mkdir(parents=True, exist_ok=True)
    return [group / "cgroup.procs" for group in wanted]


def freeze(name: str, *, frozen: bool) -> None:
    """Stop or continue every process of the machine at once. Raises OSError where no hierarchy can."""
    for group in groups(name):
        if (group / "cgroup.freeze").exists():
            (group / "cgroup.freeze").write_text("1" if frozen else "0")
            _wait(group / "cgroup.events", f"frozen {int(frozen)}")
            return
        if (group / "freezer.state").exists():
            (group / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
            _wait(group / "freezer.state", "FROZEN" if frozen else "THAWED")
            return
    raise OSError("no control group hierarchy here can freeze")


def _wait(path: Path, expected: str, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while expected not in path.read_text():
        if time.monotonic() > until:
            raise TimeoutError(f"{path} did not become {expected!r}")
        time.sleep(0.001)


def processes(name: str, unit: str = "") -> list[int]:
    """Pids (as this host sees them) of everything in a machine, or in one unit of it."""
    found: set[int] = set()
    for group in groups(name):
        for folder, _, _ in os.walk(group):
            if not unit or unit in Path(folder).relative_to(group).parts:
                with contextlib.suppress(OSError):
                    found.update(map(int, Path(folder, "cgroup.procs").read_text().split()))
    return sorted(found)


def remove(name: str) -> None:
    """Remove the machine's empty groups, deepest first."""
    for group in groups(name):
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
