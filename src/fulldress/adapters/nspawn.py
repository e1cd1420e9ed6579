"""Machines: a root tree booted with its own systemd by systemd-nspawn, found again by any process.

Plain commands, no machined and no D-Bus on this host. A running machine is described by
``/run/fulldress/machines/NAME.json``; it outlives the process that booted it. What must *not* outlive its maker (clones)
is held by ``adapters/scope.py``.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from fulldress.adapters import cgroups, inroot, inside, procs
from fulldress.adapters.cgroups import Limits
from fulldress.adapters.procs import Proc
from fulldress.errors import CapabilityMissing, FulldressError, UsageError
from fulldress.ports import Completed

RUN = Path("/run/fulldress/machines")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_unwaited: list[subprocess.Popen[bytes]] = []
"""Supervisors that this process started; kept so that they are reaped, and are not taken for forgotten children."""
_LEADER = re.compile(r"X_NSPAWN_LEADER_PID=(\d+)")


SUPERVISE = """
trap 'kill -TERM "$nspawn" 2>/dev/null' TERM
for group in $SUPERVISOR_GROUPS; do echo 0 > "$group" || exit 125; done
enter() { for group in $MACHINE_GROUPS; do echo 0 > "$group" || exit 125; done; exec "$@"; }
while :; do
    enter "$@" & nspawn=$!
    code=0; wait "$nspawn" || code=$?
    while kill -0 "$nspawn" 2>/dev/null; do code=0; wait "$nspawn" || code=$?; done
    [ "$code" = 133 ] || exit "$code"
done
"""
"""133 is how nspawn says that the machine wants to boot again; a signal to us interrupts the first wait."""


class MachineFailed(FulldressError):
    """A machine did not boot, is not running, or did not obey.

    Its console is in ``/run/fulldress/machines/NAME.log``; ``fulldress doctor`` says what this host lacks.
    """

    slug = "machine-failed"


class MachineState(msgspec.Struct, frozen=True, kw_only=True):
    """``NAME.json``: enough for another process to find the machine again."""

    schema_version: int = 1
    name: str
    root: str
    supervisor: Proc
    """Our little shell that starts systemd-nspawn, and starts it again when the machine reboots."""
    leader: Proc | None = None
    """The container's PID 1; None until it is ready."""
    netns: str | None = None
    booted: float = 0.0
    """Seconds since the epoch."""
    boot_seconds: float = 0.0


class Machine(inroot.InTree):
    """A running machine; implements ``ports.Host``."""

    def __init__(self, state: MachineState) -> None:
        self.state = state
        self._leader = state.leader

    @property
    def name(self) -> str:
        """``machine:NAME``."""
        return f"machine:{self.state.name}"

    @property
    def root(self) -> Path:
        """The root tree as seen from here. Contents are the machine's: never follow its links."""
        return Path(self.state.root)

    @property
    def leader(self) -> Proc:
        """The container's PID 1; raises MachineFailed when the machine is down. A reboot inside gives a new one."""
        if self._leader is None:
            raise MachineFailed(f"{self.name} is still booting, or never finished booting")
        if not self._leader.alive:
            heirs = [init for nspawn in procs.children(self.state.supervisor.pid) for init in procs.children(nspawn.pid)]
            if not heirs or not self.state.supervisor.alive:
                raise MachineFailed(f"{self.name} is not running")
            self._leader = heirs[-1]
        try:
            ours = procs.same_pid_namespace(self._leader)
        except FileNotFoundError:
            raise MachineFailed(f"{self.name} has just ended") from None
        if ours:
            raise MachineFailed(
                f"pid {self._leader.pid} on record for {self.name} is a process of this host", slug="machine-record"
            )
        return self._leader

    @property
    def running(self) -> bool:
        """True while its init lives."""
        try:
            return self.leader.alive
        except MachineFailed:
            return False
        except PermissionError:  # not root: it can be seen, not entered
            return self._leader is not None and self._leader.alive

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        """Run a command to its end; stdout and stderr apart. Unknown ends (time-out, machine gone) give ``code=None``."""
        if not self.running:
            return Completed(code=None, stderr=f"{self.name} is not running\n".encode())
        return inside.run(self.leader.pid, argv, stdin=stdin, timeout_s=timeout_s, user=user)

    def stream(self, argv: Sequence[str], *, user: str | None = None) -> Iterator[bytes]:
        """Run a command and yield its stdout in chunks; raises StepFailed when it does not exit 0."""
        return inside.stream(self.leader.pid, argv, user=user)

    def freeze(self) -> None:
        """Stop every process of the machine at once, until ``thaw``."""
        cgroups.freeze(self.state.name, frozen=True)

    def thaw(self) -> None:
        """Let the machine go on."""
        cgroups.freeze(self.state.name, frozen=False)

    def processes(self, unit: str = "") -> list[Proc]:
        """Its processes as this host sees them, all or those of one unit."""
        return [found for pid in cgroups.processes(self.state.name, unit) if (found := procs.of(pid)) is not None]

    def poweroff(self, *, timeout_s: float = 60.0) -> None:
        """Orderly shutdown; raises MachineFailed when it took longer (the machine is then killed)."""
        self.state.supervisor.signal(signal.SIGTERM)  # nspawn hands it on to init as the order to power off
        orderly = procs.wait_gone(self.state.supervisor, timeout_s)
        self.kill()
        if not orderly:
            raise MachineFailed(f"{self.name} did not power off within {timeout_s:.0f} s and was killed")

    def kill(self) -> None:
        """Power cut: SIGKILL to init; the kernel kills everything else in the machine. A frozen one does not run on."""
        every = self.processes()
        for process in every:  # a frozen process dies of it when it is thawed, before it does anything more
            process.signal(signal.SIGKILL)
        with contextlib.suppress(OSError):
            self.thaw()
        _kill_tree(self.state.supervisor)
        for process in every:  # its groups can be removed, and made anew, when nobody is in them any more
            procs.wait_gone(process, 10.0)
        forget(self.state.name)

    def _tree(self) -> str:
        return f"/proc/{self.leader.pid}/root"


def boot(
    root: Path,
    name: str,
    *,
    netns: str | None = None,
    timeout_s: float = 90.0,
    binds: Sequence[str] = (),
    limits: Limits | None = None,
) -> Machine:
    """Boot the tree at ``root`` and wait until its systemd says that it is ready.

    ``netns`` is the name or path of a network namespace (``ip netns``); else an empty one of its own.
    ``binds`` are paths of this host shown at the same place inside, read-only. Raises UsageError when the name is taken.
    ``limits`` hold it to so much memory, so many processes, and fence off this host's devices.
    """
    _check(root, name)
    RUN.mkdir(parents=True, exist_ok=True, mode=0o755)
    log = RUN / f"{name}.log"
    started = time.time()
    with _ready_socket(RUN / f"{name}.notify") as (ready, path), contextlib.ExitStack() as undo:
        unfenced = limits is not None and limits.devices and not cgroups.limiting("devices")
        argv = _argv(root, name, netns, binds, ("CAP_MKNOD",) if unfenced else ())
        child = _spawn(argv, cgroups.make(name, limits), log, path)
        supervisor = procs.of(child.pid)
        assert supervisor is not None, "a child that was not waited for is at least a zombie"
        undo.callback(forget, name, keep_console=True)
        undo.callback(child.wait)
        undo.callback(_kill_tree, supervisor)
        state = MachineState(name=name, root=str(root.absolute()), supervisor=supervisor, netns=netns, booted=started)
        _record(state)  # before it is ready: whoever cleans up after us must find it
        leader = procs.of(_await_ready(child, ready, timeout_s, name, log))
        state = msgspec.structs.replace(state, leader=leader, boot_seconds=round(time.time() - started, 3))
        _record(state)
        undo.pop_all()
    _unwaited.append(child)
    return Machine(state)


@atexit.register
def _let_go() -> None:
    """When this process ends, supervisors that ended are reaped; the others go on without it, and Python need not warn."""
    for child in _unwaited:
        if child.poll() is None:
            child.returncode = 0


def kill(name: str) -> None:
    """Power cut for a machine in any state, also one that is still booting or long gone."""
    state = recorded(name)
    if state is not None:
        Machine(state).kill()


def attach(name: str) -> Machine:
    """The running machine of this name; raises MachineFailed when there is none."""
    state = recorded(name)
    machine = None if state is None else Machine(state)
    if machine is None or not machine.running:
        known = ", ".join(s.name for s in listing() if Machine(s).running) or "none"
        raise MachineFailed(
            f"no machine named {name} is running",
            fix=f"boot it: fulldress machine boot {name} --root DIR (running now: {known})",
        )
    return machine


def recorded(name: str) -> MachineState | None:
    """What is on record about a machine, running or not."""
    try:
        return msgspec.json.decode((RUN / f"{name}.json").read_bytes(), type=MachineState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def listing() -> list[MachineState]:
    """All machines on record."""
    found = [recorded(path.stem) for path in sorted(RUN.glob("*.json"))] if RUN.is_dir() else []
    return [state for state in found if state is not None]


def stray() -> list[str]:
    """Names on record whose machine is gone: it died, or this host was restarted under it."""
    return [state.name for state in listing() if not Machine(state).running and not state.supervisor.alive]


def reap() -> list[str]:
    """Forget machines that are gone (record, console, control groups); returns their names."""
    gone = stray()
    for name in gone:
        forget(name)
    return gone


def forget(name: str, *, keep_console: bool = False) -> None:
    """Remove what this module left about a machine that no longer runs."""
    for suffix in (".json", ".notify", *(() if keep_console else (".log",))):
        (RUN / f"{name}{suffix}").unlink(missing_ok=True)
    cgroups.remove(name)


def _kill_tree(supervisor: Proc) -> None:
    """Power cut: the shell first, so that nothing boots again; then init, which takes every process of the machine along."""
    nspawns = procs.children(supervisor.pid) if supervisor.alive else []
    below = [init for nspawn in nspawns for init in procs.children(nspawn.pid)]
    supervisor.end()
    for init in below:
        init.signal(signal.SIGKILL)
    for nspawn in nspawns:
        if not procs.wait_gone(nspawn, 10.0):
            nspawn.end()


def _check(root: Path, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"not a machine name: {name!r}", why="lower-case letters, digits and dashes, at most 63")
    if os.geteuid() != 0:
        raise CapabilityMissing("booting a machine needs root", fix="run the command as root")
    if shutil.which("systemd-nspawn") is None:
        raise CapabilityMissing("systemd-nspawn is not installed", fix="apt-get install systemd-container")
    if not (root / "usr").is_dir():
        raise UsageError(f"{root} is not a root tree", why="it has no /usr")
    state = recorded(name)
    if state is not None:
        if state.supervisor.alive:
            raise UsageError(f"a machine named {name} is running", fix="power it off, or choose another name")
        forget(name)


def _argv(root: Path, name: str, netns: str | None, binds: Sequence[str], without: Sequence[str] = ()) -> list[str]:
    net, enter = ["--private-network"], []
    if netns is not None:
        # nspawn mounts /sys before it joins the namespace: without the first, the machine sees this host's interfaces there
        enter = ["nsenter", f"--net={Path('/run/netns', netns)}"]
        net = [f"--network-namespace-path={Path('/run/netns', netns)}"]
    fixed = ["--register=no", "--keep-unit", "--boot", "--notify-ready=yes", "--console=pipe"]
    untouched = ["--resolv-conf=off", "--timezone=off", "--link-journal=no"]
    shown = [f"--bind-ro={path}" for path in binds]
    dropped = [f"--drop-capability={','.join(without)}"] if without else []
    machine = ["-D", str(root), f"--machine={name}"]
    return [*enter, "systemd-nspawn", "--quiet", *machine, *fixed, *untouched, *net, *shown, *dropped]


def _spawn(argv: list[str], groups: list[Path], log: Path, notify: Path) -> subprocess.Popen[bytes]:
    """Start the supervisor, cut off from our terminal and session; nspawn gets the machine's own control groups."""
    env = {
        "PATH": inside.PATH,
        "NOTIFY_SOCKET": str(notify),
        "SUPERVISOR_GROUPS": " ".join(map(str, cgroups.supervisors())),
        "MACHINE_GROUPS": " ".join(map(str, groups)),
        "SYSTEMD_NSPAWN_LOCK": "0",
    }
    with log.open("wb") as console:
        return subprocess.Popen(
            ["/bin/sh", "-c", SUPERVISE, "fulldress-machine", *argv],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=env,
            cwd="/",
            start_new_session=True,
        )


@contextlib.contextmanager
def _ready_socket(path: Path) -> Iterator[tuple[socket.socket, Path]]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(path))
        ready.settimeout(0.1)
        try:
            yield ready, path
        finally:
            path.unlink(missing_ok=True)


def _await_ready(child: subprocess.Popen[bytes], ready: socket.socket, timeout_s: float, name: str, log: Path) -> int:
    """The leader's pid, once init says READY=1."""
    leader = 0
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        try:
            message = ready.recv(1 << 16).decode(errors="replace")
        except TimeoutError:
            if child.poll() is not None:
                raise MachineFailed(f"machine {name} did not boot", why=_tail(log)) from None
            continue
        if found := _LEADER.search(message):
            leader = int(found[1])
        if leader and "READY=1" in message.splitlines():
            return leader
    raise MachineFailed(f"machine {name} was not ready within {timeout_s:.0f} s", why=_tail(log))


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:].strip() if log.exists() else ""


def _record(state: MachineState) -> None:
    path = RUN / f"{state.name}.json"
    temporary = path.with_suffix(".json.tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
    temporary.replace(path)
