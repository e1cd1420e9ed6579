"""One control group per machine, on cgroup v2, hybrid and v1, so that two machines never share one.

systemd-nspawn puts its payload below the group it was started in; two machines started from one shell would get the
same group and their inits would fight over it. A machine may also be given limits; they are set one group above the one
that it sees as its own, so that it cannot lift them.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import msgspec

TOP = "fulldress"
_MOUNT = Path("/sys/fs/cgroup")
_LIMITING = ("memory", "pids", "devices")
"""Hierarchies of version 1 in which a machine is held to limits."""
_DEVICES = ("c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 5:2 rwm")
"""Nodes of any device may be made, only null, zero, full, random, urandom, tty, ptmx and pseudo-terminals be opened."""
_TERMINALS = "c 136:* rwm"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine may use. 0: no limit."""

    memory: int = 0
    """Bytes, page cache included."""
    tasks: int = 0
    """Processes and threads."""
    devices: bool = False
    """Fence off the devices of this host: the machine may make nodes for them, not open them."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine uses now, and how often it ran into its limits. Bytes; None where nobody counts."""

    anonymous: int | None = None
    """Memory that belongs to processes alone."""
    shared: int | None = None
    """Shared memory and files of memory file systems: a database's buffers."""
    cache: int | None = None
    """Page cache of files that is charged to the machine; given up when memory is wanted."""
    total: int | None = None
    killed: int = 0
    """Processes that were killed because memory was over."""
    refused: int = 0
    """Forks that were refused."""


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


def make(name: str, limits: Limits | None = None) -> list[Path]:
    """Make the machine's groups; returns the ``cgroup.procs`` files to enter. Raises OSError when a limit cannot be set."""
    entries = _made(groups(name))
    for top in hierarchies():
        _hand_down(top / TOP)
    if limits is not None:
        entries += _limited(name, limits)
    return entries


def limiting(what: str) -> bool:
    """Can a machine be held to ``memory``, ``pids`` or ``devices`` here?"""
    if kind() == "v2":
        return what in (_MOUNT / "cgroup.controllers").read_text().split()
    return what in _LIMITING and (_MOUNT / what / "cgroup.procs").exists()


def _limited(name: str, limits: Limits) -> list[Path]:
    """Set the limits that can be set here; returns the further ``cgroup.procs`` to enter (version 1: a group below)."""
    if kind() == "v2":
        for file, most in (("memory.max", limits.memory), ("pids.max", limits.tasks)):
            if most and (_MOUNT / TOP / name / file).exists():
                (_MOUNT / TOP / name / file).write_text(str(most))
        return []
    entered = []
    if limits.memory and limiting("memory"):
        entered += _made([_MOUNT / "memory" / TOP / name / "payload"])
        (_MOUNT / "memory" / TOP / name / "memory.limit_in_bytes").write_text(str(limits.memory))
    if limits.tasks and limiting("pids"):
        entered += _made([_MOUNT / "pids" / TOP / name / "payload"])
        (_MOUNT / "pids" / TOP / name / "pids.max").write_text(str(limits.tasks))
    if limits.devices and limiting("devices"):
        fence = _MOUNT / "devices" / TOP / name
        if not (fence / "payload").exists():  # once it has groups below, it takes no new rules
            fence.mkdir(parents=True, exist_ok=True)
            (fence / "devices.deny").write_text("a")
            for rule in (*_DEVICES, _TERMINALS):
                (fence / "devices.allow").write_text(rule)
        entered += _made([fence / "payload"])
    return entered


def usage(name: str) -> Usage:
    """What the machine uses now. Meaningful for a machine with limits; else nobody counts on version 1."""
    if kind() == "v2":
        group = _MOUNT / TOP / name
        stat, events = _table(group / "memory.stat"), _table(group / "memory.events")
        return Usage(
            anonymous=stat.get("anon"),
            shared=stat.get("shmem"),
            cache=_less(stat.get("file"), stat.get("shmem")),
            total=_number(group / "memory.current"),
            killed=events.get("oom_kill", 0),
            refused=_table(group / "pids.events").get("max", 0),
        )
    group = _MOUNT / "memory" / TOP / name
    stat = _table(group / "memory.stat")
    return Usage(
        anonymous=stat.get("total_rss"),
        shared=stat.get("total_shmem"),
        cache=_less(stat.get("total_cache"), stat.get("total_shmem")),
        total=_number(group / "memory.usage_in_bytes"),
        killed=sum(
            _table(f).get("oom_kill", 0) for f in (group / "memory.oom_control", group / "payload/memory.oom_control")
        ),
        refused=sum(_table(f).get("max", 0) for f in (_MOUNT / "pids" / TOP / name).rglob("pids.events")),
    )


def units(name: str) -> tuple[set[str], int]:
    """Names of the machine's units in which something runs, and how many of its processes run in none."""
    found: set[str] = set()
    outside = 0
    top = next(group for group in groups(name)[::-1] if group.parent.parent.name in ("systemd", _MOUNT.name))
    for folder, _, _ in os.walk(top):
        here = Path(folder)
        try:
            held = len((here / "cgroup.procs").read_text().split())
        except OSError:  # a unit that has just ended
            continue
        if held and here.suffix in (".service", ".scope"):
            found.add(here.name)
        elif here == top or (here.parent == top and here.name == "payload"):
            outside += held
    return found, outside


def _less(whole: int | None, part: int | None) -> int | None:
    return None if whole is None else whole - (part or 0)


def _table(path: Path) -> dict[str, int]:
    """``name number`` lines; nothing when the file is not there."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].lstrip("-").isdigit()}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


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
    limited = [_MOUNT / what / TOP / name for what in _LIMITING] if kind() != "v2" else []
    for group in [*groups(name), *limited]:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
