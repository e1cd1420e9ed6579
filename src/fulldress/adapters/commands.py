"""Commands as children of this process, with the behaviour that every Host must have. What starts them is the caller's part.

Every command gets its own session, so that a time-out, Ctrl-C or a stream that is left early can end it with its children.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fulldress.errors import StepFailed, UsageError
from fulldress.ports import Completed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CHUNK = 1 << 20


class Identity(NamedTuple):
    """Who runs a command: nothing of our own environment goes along."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    env: Mapping[str, str]


def identity(user: str | None) -> Identity:
    """This process's own user, or another one (root only). Raises UsageError for a user that does not exist."""
    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise UsageError(f"there is no user {user!r} on this computer") from error
    env = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Identity(entry.pw_uid, entry.pw_gid, groups, env)


def run(argv: Sequence[str], who: Identity, *, stdin: bytes, timeout_s: float) -> Completed:
    """Run to the end. On a time-out the command and its children are killed, and the code is None."""
    try:
        child = _start(argv, who, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        return Completed(code=127, stderr=f"{argv[0]}: not found\n".encode())
    except PermissionError as error:
        return Completed(code=126, stderr=f"{argv[0]}: {error.strerror}\n".encode())
    _running.add(child)
    try:
        out, err = child.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(child)
        out, err = child.communicate()
        return Completed(code=None, stdout=out, stderr=err)
    finally:  # Ctrl-C: the command must not go on without us
        _kill(child)
        _running.discard(child)
    return Completed(code=_code(child.returncode), stdout=out, stderr=err)


_running: set[subprocess.Popen[bytes]] = set()
"""The commands that other threads wait for."""


def end_all() -> None:
    """End what other threads wait for: Ctrl-C reaches the main thread only, and would wait for them."""
    for child in list(_running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def stream(argv: Sequence[str], who: Identity, *, called: str = "") -> Iterator[bytes]:
    """Yield stdout in chunks as it comes. Raises StepFailed unless the command exited 0."""
    with tempfile.TemporaryFile() as errors:
        try:
            child = _start(argv, who, stdin=subprocess.DEVNULL, stderr=errors.fileno())
        except OSError as error:
            raise StepFailed(f"`{argv[0]}` did not start", why=str(error), slug="command-failed") from error
        assert child.stdout is not None, "asked for a pipe"
        try:
            while chunk := child.stdout.read1(CHUNK):  # type: ignore[attr-defined]
                yield chunk
            child.wait()
        finally:
            _kill(child)
            child.stdout.close()
        errors.seek(0)
        check_stream(called or argv[0], _code(child.returncode), errors.read())


def check_stream(name: str, code: int | None, stderr: bytes) -> None:
    """Raises StepFailed unless a streamed command is known to have exited 0."""
    if code != 0:
        how = "did not say how it ended" if code is None else f"exited {code}"
        said = stderr.decode(errors="replace").strip()[-2000:]
        raise StepFailed(f"`{name}` {how}", why=said, slug="command-failed")


def _start(argv: Sequence[str], who: Identity, *, stdin: int, stderr: int) -> subprocess.Popen[bytes]:
    if not argv:
        raise ValueError("an empty command")
    other = who.uid != os.geteuid()
    return subprocess.Popen(
        list(argv),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=dict(who.env),
        cwd="/",
        start_new_session=True,
        user=who.uid if other else None,
        group=who.gid if other else None,
        extra_groups=who.groups if other else None,
    )


def _kill(child: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the command's whole session group; harmless when it has ended and was waited for."""
    if child.returncode is None:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        child.wait()


def _code(returncode: int) -> int:
    """As a shell reports it: 128 and the signal's number for a command that a signal ended."""
    return 128 - returncode if returncode < 0 else returncode
