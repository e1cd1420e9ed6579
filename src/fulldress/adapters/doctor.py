"""Tries (does not guess) every capability of this machine that a full-dress rehearsal needs, and leaves nothing behind.

A probe is one function in ``PROBES``: it returns a detail when the thing works and raises when it does not. What a missing
capability costs, and what to install, is said in the table.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from fulldress.adapters import btrfs, cgroups, image, nspawn, scratch
from fulldress.adapters.scope import Scope
from fulldress.errors import FulldressError
from fulldress.store.state import state_dir

State = Literal["ok", "degraded", "missing"]
TRACEFS = Path("/sys/kernel/tracing")
BTRFS_TRIED = 256 << 20
ENOUGH = 5 << 30
"""Bytes free for a demo-sized mirror, its clones and the image."""


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the answer."""

    name: str
    state: State
    detail: str
    costs: str = ""
    """What degrades without it; empty when it works."""
    install: str = ""
    """What to do; empty when it works."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to try. ``needed``: without it there is no full-dress rehearsal (missing, not merely degraded)."""

    name: str
    attempt: Callable[[], str]
    costs: str
    install: str
    needed: bool = True
    root: bool = True
    """Cannot be tried without root."""


class Absent(Exception):
    """A probe's way to say no, with the reason."""


def examine() -> list[Capability]:
    """Try everything; takes a few seconds, most of them for booting a machine."""
    return [_try(probe) for probe in PROBES]


def fit(capabilities: list[Capability]) -> bool:
    """True when a full-dress rehearsal can be done here."""
    return all(c.state != "missing" for c in capabilities)


def _try(probe: Probe) -> Capability:
    bad: State = "missing" if probe.needed else "degraded"
    if probe.root and os.geteuid() != 0:
        return Capability(name=probe.name, state=bad, detail="needs root", costs=probe.costs, install="run as root")
    try:
        return Capability(name=probe.name, state="ok", detail=probe.attempt())
    except (Absent, OSError, subprocess.SubprocessError) as error:
        detail = str(error)
    except FulldressError as error:
        detail = f"{error.what}: {error.why}" if error.why else error.what
    first = detail.strip().splitlines()[0] if detail.strip() else "does not work"
    return Capability(name=probe.name, state=bad, detail=first, costs=probe.costs, install=probe.install)


def _say(argv: list[str], *, stdin: str = "", cwd: Path | None = None) -> str:
    """Output of a program; Absent when it is not there or fails."""
    if shutil.which(argv[0]) is None:
        raise Absent(f"{argv[0]} is not installed")
    ended = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)
    if ended.returncode != 0:
        raise Absent(ended.stderr.strip() or f"{argv[0]} exited {ended.returncode}")
    return ended.stdout


def _root() -> str:
    if os.geteuid() != 0:
        raise Absent("running as an ordinary user")
    return "yes"


def _nspawn() -> str:
    """Run a program in a container over a made-up root that shows this host's /usr."""
    version = _say(["systemd-nspawn", "--version"]).splitlines()[0]
    with tempfile.TemporaryDirectory(prefix="fulldress-doctor-") as inner:
        root = Path(inner, "root")
        for folder in ("usr", "etc", "proc", "sys", "dev", "run", "tmp", "var"):
            (root / folder).mkdir(parents=True)
        for link in ("bin", "sbin", "lib", "lib64"):
            (root / link).symlink_to(f"usr/{link}")
        (root / "etc/os-release").write_text("ID=doctor\n")
        common = [
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--private-network",
            "--resolv-conf=off",
            "--timezone=off",
            "--pipe",
        ]
        _say(["systemd-nspawn", *common, "-D", str(root), "--bind-ro=/usr", "/usr/bin/true"])
    return version


def _boots() -> str:
    """Boot the base image over a throw-away layer, when the image has been built."""
    if not (state_dir() / "scratch").is_dir():
        raise Absent("not tried: there is no base image yet (the first `make demo` builds it)")
    folder = scratch.scratch_dir()
    lower = image.image_path(folder)
    if not lower.is_dir():
        raise Absent("not tried: there is no base image yet (the first `make demo` builds it)")
    with Scope("doctor") as scope:
        work = folder / "clones" / scope.id
        scope.keep("tree", str(work))
        for name in ("upper", "work", "merged"):
            (work / name).mkdir(parents=True)
        scope.keep("mount", str(work / "merged"))
        layers = f"lowerdir={lower},upperdir={work}/upper,workdir={work}/work"
        _say(["mount", "-t", "overlay", "overlay", "-o", layers, str(work / "merged")])
        scope.keep("machine", scope.id)
        machine = nspawn.boot(work / "merged", scope.id, timeout_s=60)
        if not machine.run(["true"]).ok:
            raise Absent("the machine booted, but does not run commands")
        return f"base image booted in {machine.state.boot_seconds:.1f} s"


def _overlay() -> str:
    folder = scratch.scratch_dir()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".doctor-") as inner:
        top = Path(inner)
        for name in ("lower", "upper", "work", "merged"):
            (top / name).mkdir()
        (top / "lower/a").write_text("a")
        options = "lowerdir=lower,upperdir=upper,workdir=work,redirect_dir=off,metacopy=off,index=off,nfs_export=off"
        _say(["mount", "-t", "overlay", "overlay", "-o", options, "merged"], cwd=top)
        try:
            (top / "merged/a").unlink()
            if not (top / "upper/a").is_char_device():
                raise Absent("a deletion left no whiteout")
        finally:
            _say(["umount", "merged"], cwd=top)
    return "mounted, whiteout seen"


def _reflink() -> str:
    folder = scratch.scratch_dir()
    if not scratch.reflinks(folder):
        raise Absent(f"{folder} shares no blocks")
    return f"{'loop XFS image' if os.path.ismount(folder) else 'own file system'}, blocks are shared"


def _space() -> str:
    free = scratch.free_bytes(scratch.scratch_dir())
    if free < ENOUGH:
        raise Absent(f"{free / 1e9:.1f} GB free in {state_dir()}")
    return f"{free / 1e9:.0f} GB free"


def _network() -> str:
    name = f"fd-doctor-{os.getpid()}"
    _say(["ip", "netns", "add", name])
    try:
        _say(["ip", "-n", name, "link", "add", "v0", "type", "veth", "peer", "name", "v1"])
    finally:
        _say(["ip", "netns", "del", name])
    return "namespace and veth made"


def _redirect() -> str:
    name = f"fd-doctor-{os.getpid()}"
    rules = (
        "table inet t { set s { type ipv4_addr . inet_service; flags dynamic; size 9; counter; }; "
        "chain c { type nat hook prerouting priority dstnat; meta l4proto tcp redirect to :9000; }; "
        "chain d { type filter hook prerouting priority mangle; update @s { ip daddr . tcp dport }; }; }"
    )
    _say(["ip", "netns", "add", name])
    try:
        _say(["ip", "netns", "exec", name, "nft", "-f", "-"], stdin=rules)
    finally:
        _say(["ip", "netns", "del", name])
    return "redirect and tally loaded"


def _uprobes() -> str:
    events = TRACEFS / "uprobe_events"
    if not events.exists():
        _say(["mount", "-t", "tracefs", "nodev", str(TRACEFS)])
    if not os.access(events, os.W_OK):
        raise Absent(f"{events} is not writable")
    return "uprobe_events is writable"


def _symbols() -> str:
    """The lock functions are exported by the server of the base image."""
    _say(["nm", "--version"])
    lower = image.image_path(state_dir() / "scratch")
    servers = sorted(lower.glob("usr/lib/postgresql/*/bin/postgres"))
    if not servers:
        return "nm is there; the server in the machine is looked at when it is traced"
    if " T LockAcquireExtended" not in _say(["nm", "-D", str(servers[-1])]):
        raise Absent("the image's PostgreSQL does not export LockAcquireExtended")
    return "LockAcquireExtended is exported"


def _landlock() -> str:
    abi = int(ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1))
    if abi < 1:
        raise Absent("the kernel has no Landlock")
    return f"ABI {abi}"


def _seccomp() -> str:
    actions = Path("/proc/sys/kernel/seccomp/actions_avail").read_text().split()
    if "kill_process" not in actions:
        raise Absent("the kernel cannot kill a process by seccomp")
    return "filters available"


def _cgroup() -> str:
    found = cgroups.kind()
    if found == "none":
        raise Absent("no control group hierarchy is mounted")
    return found


def _limits() -> str:
    """Set the limits of a clone on a group made for this."""
    name = f"doctor-{os.getpid()}"
    wanted = cgroups.Limits(memory=64 << 20, tasks=16, devices=True)
    try:
        cgroups.make(name, wanted)
        held = [what for what in ("memory", "pids") if cgroups.limiting(what)]
    finally:
        cgroups.remove(name)
    missing = {"memory", "pids"} - set(held)
    if missing:
        raise Absent(f"no control group limits {' and '.join(sorted(missing))}")
    return "memory, processes" + (", devices" if cgroups.limiting("devices") else "; device nodes cannot be made in clones")


def _btrfs() -> str:
    """On a small image made for this: a snapshot, and a write above its quota that is refused."""
    with tempfile.TemporaryDirectory(dir=scratch.scratch_dir(), prefix=".doctor-") as inner:
        image, folder = Path(inner, "image"), Path(inner, "mounted")
        folder.mkdir()
        with image.open("wb") as out:
            out.truncate(BTRFS_TRIED)
        _say(["mkfs.btrfs", "-q", "-m", "single", str(image)])
        _say(["mount", "-o", "loop", str(image), str(folder)])
        try:
            _say(["btrfs", "quota", "enable", str(folder)])
            btrfs.make(folder / "a")
            btrfs.snapshot(folder / "a", folder / "b")
            btrfs.hold_to(folder / "b", 1 << 20)
            try:
                (folder / "b/file").write_bytes(bytes(8 << 20))
            except OSError:
                return "snapshot made, its quota holds"
            raise Absent("a quota did not hold")
        finally:
            _say(["umount", str(folder)])


def _program(name: str, option: str = "--version") -> Callable[[], str]:
    return lambda: _say([name, option]).strip().splitlines()[0]


NO_CLONE = "no clone can be made: only scan, adapt and plan work"
NO_SANDBOX = "packages are opened without this layer of the sandbox: refused"
PROBES: tuple[Probe, ...] = (
    Probe(name="root", attempt=_root, costs=NO_CLONE, install="run as root", root=False),
    Probe(name="systemd-nspawn", attempt=_nspawn, costs=NO_CLONE, install="apt-get install systemd-container"),
    Probe(name="a machine boots", attempt=_boots, costs="not yet proven here", install="make demo", needed=False),
    Probe(name="overlay", attempt=_overlay, costs=NO_CLONE, install="a kernel with overlayfs; state on ext4, xfs or btrfs"),
    Probe(
        name="reflink",
        attempt=_reflink,
        costs="each clone copies every data file it opens: minutes, not seconds",
        install="apt-get install xfsprogs, and loop devices; or FULLDRESS_STATE on xfs or btrfs",
        needed=False,
    ),
    Probe(
        name="free space",
        attempt=_space,
        costs="no room for mirror and clones",
        install="5 GB, or FULLDRESS_STATE elsewhere",
    ),
    Probe(name="netns, veth", attempt=_network, costs=NO_CLONE, install="apt-get install iproute2"),
    Probe(
        name="nft redirect",
        attempt=_redirect,
        costs="the sink sees nothing: no rehearsal",
        install="apt-get install nftables",
    ),
    Probe(
        name="uprobes",
        attempt=_uprobes,
        costs="locks are sampled about every 5 ms instead of traced exactly",
        install="a kernel with CONFIG_UPROBE_EVENTS, tracefs writable",
        needed=False,
    ),
    Probe(
        name="server symbols",
        attempt=_symbols,
        costs="locks are sampled about every 5 ms instead of traced exactly",
        install="apt-get install binutils",
        needed=False,
    ),
    Probe(name="landlock", attempt=_landlock, costs=NO_SANDBOX, install="Linux 5.13 with lsm=landlock", root=False),
    Probe(name="seccomp", attempt=_seccomp, costs=NO_SANDBOX, install="a kernel with CONFIG_SECCOMP_FILTER", root=False),
    Probe(
        name="mmdebstrap",
        attempt=_program("mmdebstrap"),
        costs="the demo and the tests cannot make their base image; your own production needs none",
        install="apt-get install mmdebstrap",
        needed=False,
        root=False,
    ),
    Probe(
        name="rsync", attempt=_program("rsync"), costs="no mirror of production", install="apt-get install rsync", root=False
    ),
    Probe(name="cgroup", attempt=_cgroup, costs="machines cannot boot", install="mount the cgroup file system", root=False),
    Probe(
        name="limits",
        attempt=_limits,
        costs="a package that forks without end or eats all memory takes this computer along",
        install="control groups with the controllers memory and pids",
        needed=False,
    ),
    Probe(
        name="btrfs",
        attempt=_btrfs,
        costs="`rehearse --driver btrfs` is refused; the overlay driver, which is the default, needs none",
        install="apt-get install btrfs-progs, a kernel with btrfs, loop devices",
        needed=False,
    ),
)
