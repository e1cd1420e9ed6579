"""Commands inside a container, started by the container's own PID 1.

A payload is never a child of ``nsenter``: it would keep this host's capabilities (a ``date -s`` in it would set our
clock) and stay outside the container's cgroup and seccomp filter. Only ``systemd-run`` crosses over, with an empty
capability bounding set; the container's init forks the payload and hands it our pipes.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence

from fulldress.adapters import procs
from fulldress.errors import StepFailed
from fulldress.ports import Completed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CHUNK = 1 << 20

# The shell reports the exit code behind the payload's stderr. Without the mark the code is unknown: systemd-run's own
# failures (no bus, machine dying) must not look like the payload's.
_REPORT = '"$@"; printf "%s %d\\n" "$0" $? >&2'


def crossing(leader: int, argv: Sequence[str]) -> list[str]:
    """The argument list that runs a *trusted client of init* (systemd-run, systemctl) in the container of ``leader``."""
    enter = ["nsenter", "-t", str(leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--"]
    powerless = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "env", "-i", f"PATH={PATH}", "LANG=C.UTF-8"]
    return [*enter, *powerless, *argv]


class _Call:
    """One command: its transient unit's name, its mark, its argument list."""

    def __init__(self, leader: int, argv: Sequence[str], user: str | None) -> None:
        if not argv:
            raise ValueError("an empty command")
        self.leader = leader
        nonce = secrets.token_hex(8)
        self.unit = f"fulldress-call-{nonce}.service"
        self.mark = f"fulldress-exit-{nonce}"
        # init expands $NAME in arguments; $$ is a plain dollar sign
        payload = [word.replace("$", "$$") for word in ("/bin/sh", "-c", _REPORT, self.mark, *argv)]
        self.argv = crossing(
            leader,
            [
                *("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--no-ask-password"),
                *(f"--unit={self.unit}", f"--uid={user or 'root'}", f"--setenv=PATH={PATH}", "--setenv=LANG=C.UTF-8"),
                *("--property=TimeoutStopSec=5s", "--property=LimitNOFILE=65536", "--", *payload),
            ],
        )

    def take_code(self, stderr: bytes) -> tuple[int | None, bytes]:
        """Exit code (None: unknown) and the payload's own stderr."""
        before, mark, after = stderr.rpartition(self.mark.encode() + b" ")
        if not mark:
            return None, stderr
        digits, _, rest = after.partition(b"\n")
        return int(digits), before + rest

    def stop(self) -> None:
        """SIGKILL everything the command started."""
        argv = crossing(self.leader, ["systemctl", "kill", "--kill-whom=all", "--signal=SIGKILL", self.unit])
        null = subprocess.DEVNULL
        killer = subprocess.Popen(argv, stdin=null, stdout=null, stderr=null, start_new_session=True)
        try:
            killer.wait(timeout=5)
        except subprocess.TimeoutExpired:  # a frozen or dying machine; its end takes the command along
            _kill_crossing(killer)
            killer.wait()


def run(leader: int, argv: Sequence[str], *, stdin: bytes, timeout_s: float, user: str | None) -> Completed:
    """Run to the end. On a time-out the command and its children are killed, and the code is None."""
    call = _Call(leader, argv, user)
    pipe = subprocess.PIPE
    child = subprocess.Popen(call.argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    with contextlib.ExitStack() as undo:  # Ctrl-C: the command must not go on without us
        undo.callback(_drain, child)
        undo.callback(call.stop)
        try:
            out, err = child.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            call.stop()
            out, err = _drain(child)
            undo.pop_all()
            return Completed(code=None, stdout=out, stderr=call.take_code(err)[1])
        undo.pop_all()
    code, err = call.take_code(err)
    return Completed(code=code, stdout=out, stderr=err)


def _drain(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    _kill_crossing(child)
    try:
        return child.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        return b"", b""


def _kill_crossing(child: subprocess.Popen[bytes]) -> None:
    """Kill the client that nsenter forked into the container, then nsenter.

    In this order nsenter still reaps its child; a zombie left to the host's init makes the container's shutdown wait.
    """
    for crossed in procs.children(child.pid):
        crossed.signal(signal.SIGKILL)
    try:
        child.wait(timeout=2)
    except subprocess.TimeoutExpired:
        child.kill()


def stream(leader: int, argv: Sequence[str], *, user: str | None) -> Iterator[bytes]:
    """Yield stdout in chunks as it comes. Raises StepFailed unless the command is known to have exited 0."""
    call = _Call(leader, argv, user)
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            call.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
        assert child.stdout is not None, "asked for a pipe"
        ended = False
        try:
            while chunk := child.stdout.read1(CHUNK):  # type: ignore[attr-defined]
                yield chunk
            child.wait()
            ended = True
        finally:
            if not ended:
                call.stop()
                _kill_crossing(child)
                child.wait()
            child.stdout.close()
        errors.seek(0)
        code, text = call.take_code(errors.read())
    if code != 0:
        said = text.decode(errors="replace").strip()[-2000:]
        how = "did not say how it ended" if code is None else f"exited {code}"
        raise StepFailed(f"`{argv[0]}` {how}", why=said, slug="command-failed")
