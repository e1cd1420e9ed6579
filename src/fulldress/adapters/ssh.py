"""``ssh:[user@]host[:port]``: a machine over SSH, as a Host. One connection a host, many commands on it.

Reads ``~/.ssh/config`` and ``known_hosts`` as OpenSSH does; a host key that is not known is refused, never learned.
Nothing of ours goes along: no agent, X11 or environment forwarding. Commands run as the user who logs in
(root for a full inventory). A connection that breaks while a command runs leaves its code unknown (None), never 0.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import pwd
import re
import secrets
import shlex
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from fulldress.adapters.commands import CHUNK, PATH, check_stream
from fulldress.errors import FulldressError, UsageError
from fulldress.ports import Completed

if TYPE_CHECKING:
    import asyncssh

T = TypeVar("T")
CONNECT_S = 20.0
MAX_SESSIONS = 8
"""Commands at once on one connection: sshd's own limit (MaxSessions) is ten."""
MAX_ANSWER = 1 << 30
"""More than this of one command is not kept: its end counts as unknown."""
_ADDRESS = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[0-9a-fA-F:.]+\]|[^@:\s/\[\]-][^@:\s/\[\]]*)(?::(?P<port>\d{1,5}))?"
)
_SIGNALS = {
    "HUP": 1,
    "INT": 2,
    "QUIT": 3,
    "ILL": 4,
    "ABRT": 6,
    "FPE": 8,
    "KILL": 9,
    "SEGV": 11,
    "PIPE": 13,
    "ALRM": 14,
    "TERM": 15,
}
# $0: mark, $1: user or "", the rest: the command. Its first line on stderr names the process group, so that it can be ended.
_BEGIN = r"""
printf '%s %d\n' "$0" $$ >&2
export PATH=@PATH@ LANG=C.UTF-8; unset LC_ALL
cd /
user=$1; shift
[ -n "$user" ] || exec "$@"
[ "$(id -u)" = 0 ] || exec sudo -n -H -u "$user" -- "$@"
exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --reset-env -- env LANG=C.UTF-8 PATH="$PATH" "$@"
""".replace("@PATH@", PATH)
_READ = '[ -e "$1" ] || exit 44; [ -f "$1" ] || exit 45; exec cat -- "$1"'
_WRITE = r"""
set -eu
umask 022; mkdir -p -- "$(dirname -- "$1")"; umask 077
temporary=$1.$2.tmp
trap 'rm -f -- "$temporary"' EXIT
cat > "$temporary"; chmod "$3" -- "$temporary"; sync -- "$temporary"
mv -T -- "$temporary" "$1"
"""


class SshFailed(FulldressError):
    """A host could not be reached over SSH, or would not let us in; nothing was done on it.

    ``ssh -v HOST true`` with the same user tells more. A host key is never learned by itself: look at it, then add it to
    ``known_hosts``.
    """

    slug = "ssh-failed"


class RsyncWay(NamedTuple):
    """For rsync's command line."""

    place: str
    """Before a path: ``host:``."""
    options: tuple[str, ...]


class _Loop:
    """The event loop of all SSH connections, in a thread of its own, begun with the first of them."""

    _lock = threading.Lock()
    _running: asyncio.AbstractEventLoop | None = None

    @classmethod
    def do(cls, work: Coroutine[Any, Any, T]) -> T:
        """Do it there and wait; Ctrl-C here cancels it there."""
        with cls._lock:
            if cls._running is None:
                cls._running = asyncio.new_event_loop()
                threading.Thread(target=cls._running.run_forever, name="ssh", daemon=True).start()
        future = asyncio.run_coroutine_threadsafe(work, cls._running)
        try:
            return future.result()
        except concurrent.futures.CancelledError as error:
            raise SshFailed("the work over SSH was given up") from error
        finally:
            future.cancel()  # Ctrl-C; without effect on what is done


class SshHost:
    """A machine over SSH; implements ``ports.Host``."""

    def __init__(self, address: str) -> None:
        """``[user@]host[:port]``. Nothing is opened yet; raises UsageError for an address of another form."""
        match = _ADDRESS.fullmatch(address)
        if match is None or int(match["port"] or 22) > 65535:
            raise UsageError(f"not an address for SSH: {address!r}", fix="write ssh:user@host or ssh:user@host:port")
        self.address = address
        self._user, self._host, self._port = match["user"], match["host"].strip("[]"), match["port"]
        self._connection: asyncssh.SSHClientConnection | None = None
        self._opening: asyncio.Lock | None = None
        self._places: asyncio.Semaphore | None = None

    @property
    def name(self) -> str:
        """``ssh:user@host``."""
        return f"ssh:{self.address}"

    @property
    def root(self) -> Path | None:
        """Not to be seen from here."""
        return None

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 60.0, user: str | None = None) -> Completed:
        """Run a command to its end. Unknown ends (time-out, connection lost) give ``code=None``."""
        return _Loop.do(self._run(argv, stdin, timeout_s, user))

    def stream(self, argv: Sequence[str], *, user: str | None = None) -> Iterator[bytes]:
        """Run a command and yield its stdout in chunks; raises StepFailed when it does not exit 0."""
        call = _Call(argv, user)
        process = _Loop.do(self._start(call))
        err = bytearray()
        errors = asyncio.run_coroutine_threadsafe(_drained(process.stderr, err), _running())
        ended = False
        try:
            while chunk := _Loop.do(_chunk(process.stdout)):
                yield chunk
            _Loop.do(process.wait_closed())
            ended = True
        finally:
            if not ended:
                _Loop.do(self._kill(call, process, err))
        errors.result(10)
        check_stream(argv[0], _code(process), call.own(bytes(err)))

    def read_file(self, path: str) -> bytes:
        """The bytes of a regular file; raises FileNotFoundError."""
        done = self.run(["sh", "-c", _READ, "sh", path])
        if done.code == 44:
            raise FileNotFoundError(2, "no such file", path)
        if not done.ok:
            raise OSError(f"{self.name}:{path} cannot be read: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return done.stdout

    def write_file(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write whole or not at all (temporary name, fsync, rename); parents are made."""
        done = self.run(["sh", "-c", _WRITE, "sh", path, secrets.token_hex(6), f"{mode:o}"], stdin=data)
        if not done.ok:
            raise OSError(f"{self.name}:{path} cannot be written: {done.stderr.decode(errors='replace').strip()[-300:]}")

    def boot_id(self) -> str:
        """Changes whenever the machine boots anew."""
        return self.read_file("/proc/sys/kernel/random/boot_id").decode().strip()

    def rsync(self) -> RsyncWay:
        """How rsync reads this host as root, by OpenSSH, with the settings of this connection.

        Raises SshFailed when the user who logs in is not root and ``sudo -n`` does not make it root.
        """
        who = self.run(["id", "-u"])
        if not who.ok:
            raise SshFailed(f"{self.name} does not say who we are", why=who.stderr.decode(errors="replace")[-300:])
        path = ""
        if who.stdout.strip() != b"0":
            allowed = self.run(["sudo", "-n", "rsync", "--version"])
            if not allowed.ok:
                raise SshFailed(
                    f"{self.name} does not let us read all its files",
                    why=allowed.stderr.decode(errors="replace").strip()[-300:],
                    fix="log in as root, or allow `sudo -n rsync` for the login",
                )
            path = "sudo -n rsync"
        options = ["--rsh=" + " ".join(map(_quoted, self._openssh()))]
        place = f"[{self._host}]:" if ":" in self._host else f"{self._host}:"
        return RsyncWay(place, (*options, f"--rsync-path={path}") if path else tuple(options))

    def _openssh(self) -> list[str]:
        """OpenSSH's client with the same configuration, keys and refusals as ours. It looks for no system-wide settings."""
        home = Path.home() / ".ssh"
        config = home / "config"
        argv = ["ssh", "-F", str(config) if config.is_file() else "none", "-a", "-x", "-T"]
        fixed: tuple[str, ...] = (
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "ServerAliveInterval=15",
        )
        if Path.home() != Path(pwd.getpwuid(os.geteuid()).pw_dir):  # OpenSSH does not ask $HOME, asyncssh does
            fixed = (*fixed, f"UserKnownHostsFile={home / 'known_hosts'}")
        for setting in (*fixed, f"ConnectTimeout={CONNECT_S:.0f}"):
            argv += ["-o", setting]
        argv += ["-l", self._user] if self._user else []
        argv += ["-p", self._port] if self._port else []
        return argv

    def abandon(self) -> None:
        """Ctrl-C: what other threads wait for ends with the connection."""
        connection = self._connection
        if connection is not None:
            _running().call_soon_threadsafe(connection.abort)

    def _by_hand(self) -> str:
        """How a person tries the same."""
        port, user = f"-p {self._port} " if self._port else "", f"{self._user}@" if self._user else ""
        return f"ssh {port}{user}{self._host} true"

    def close(self) -> None:
        """End the connection; the next command opens a new one."""
        if self._connection is not None:
            _Loop.do(_closed(self._connection))
            self._connection = None

    # ---- in the event loop

    async def _connected(self) -> asyncssh.SSHClientConnection:
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> asyncssh.SSHClientConnection:
        import asyncssh  # noqa: PLC0415 - loaded when needed: only estates with SSH hosts need it

        options: dict[str, Any] = {"agent_forwarding": False, "x11_forwarding": False, "connect_timeout": CONNECT_S}
        options |= {"username": self._user} if self._user else {}
        options |= {"port": int(self._port)} if self._port else {}
        try:
            return await asyncssh.connect(self._host, login_timeout=CONNECT_S, keepalive_interval=15, **options)
        except asyncssh.HostKeyNotVerifiable as error:
            raise SshFailed(
                f"{self.name}: its host key is not known",
                why=str(error),
                fix=f"compare the key with the machine's own, then add it: ssh-keyscan {self._host} >> ~/.ssh/known_hosts",
            ) from error
        except asyncssh.PermissionDenied as error:
            raise SshFailed(
                f"{self.name} does not let us in",
                why=str(error),
                fix="name the key in ~/.ssh/config (IdentityFile), or load it",
            ) from error
        except (OSError, asyncssh.Error, TimeoutError, ValueError) as error:
            why = str(error) or f"no answer within {CONNECT_S:.0f} s"
            raise SshFailed(f"{self.name} cannot be reached", why=why, fix=f"try: {self._by_hand()}") from error

    async def _start(self, call: _Call) -> asyncssh.SSHClientProcess[bytes]:
        import asyncssh  # noqa: PLC0415 - loaded when needed: only estates with SSH hosts need it

        connection = await self._connected()
        try:
            return await connection.create_process(call.line, encoding=None, stdin=asyncssh.PIPE)
        except asyncssh.Error as error:
            raise SshFailed(f"{self.name} did not start a command", why=str(error)) from error

    async def _run(self, argv: Sequence[str], stdin: bytes, timeout_s: float, user: str | None) -> Completed:
        call = _Call(argv, user)
        self._places = self._places or asyncio.Semaphore(MAX_SESSIONS)
        async with self._places:
            process = await self._start(call)
            out, err = bytearray(), bytearray()
            work = asyncio.gather(_drained(process.stdout, out), _drained(process.stderr, err), _fed(process, stdin))
            ended = False
            try:
                await asyncio.wait_for(work, timeout_s)
                await asyncio.wait_for(process.wait_closed(), timeout_s)
                ended = True
            except TimeoutError:
                pass
            except _TooLong:
                err += f"\nmore than {MAX_ANSWER >> 20} MiB came: given up".encode()
            finally:
                if not ended:
                    await self._kill(call, process, err)
        return Completed(code=_code(process) if ended else None, stdout=bytes(out), stderr=call.own(bytes(err)))

    async def _kill(self, call: _Call, process: asyncssh.SSHClientProcess[bytes], err: bytearray) -> None:
        """SIGKILL to the command's process group, by another session; then its channel is closed."""
        for _ in range(40):  # it may not have said its name yet
            call.own(bytes(err))
            if call.group is not None or process.is_closing():
                break
            await asyncio.sleep(0.05)
        if call.group is not None and self._connection is not None:
            with contextlib.suppress(Exception):  # the connection itself may be what broke
                await asyncio.wait_for(self._connection.run(f"kill -KILL -- -{call.group}"), 5)
        process.close()


class _Call:
    """One command line for the login shell, and what its first line on stderr says."""

    def __init__(self, argv: Sequence[str], user: str | None) -> None:
        if not argv:
            raise ValueError("an empty command")
        self.mark = f"fulldress-{secrets.token_hex(8)}"
        self.group: int | None = None
        self.line = "exec " + shlex.join(["/bin/sh", "-c", _BEGIN, self.mark, user or "", *argv])

    def own(self, stderr: bytes) -> bytes:
        """The command's own stderr; notes the process group."""
        found = re.match(rb"(.*?)" + self.mark.encode() + rb" (\d+)\n", stderr, re.DOTALL)
        if found is None:
            return stderr
        self.group = int(found[2])
        return found[1] + stderr[found.end() :]


def _quoted(word: str) -> str:
    """A word of ``--rsh``, as rsync takes it apart: quotes group, and nothing escapes."""
    return f"'{word}'" if " " in word else word


def _running() -> asyncio.AbstractEventLoop:
    assert _Loop._running is not None, "a command is running in it"
    return _Loop._running


def _code(process: asyncssh.SSHClientProcess[bytes]) -> int | None:
    """The exit code; 128 and the signal's number; None when the connection broke before it was told."""
    if process.exit_signal is not None:
        return 128 + _SIGNALS.get(process.exit_signal[0], 0)
    return process.exit_status


async def _chunk(reader: asyncssh.SSHReader[bytes]) -> bytes:
    """What comes next; nothing when the connection broke: then the exit code is not known either."""
    import asyncssh  # noqa: PLC0415 - loaded when needed: only estates with SSH hosts need it

    try:
        return await reader.read(CHUNK)
    except asyncssh.Error:
        return b""


class _TooLong(Exception):
    """A host answers without end; what it says must not fill our memory."""


async def _drained(reader: asyncssh.SSHReader[bytes], into: bytearray) -> None:
    while chunk := await _chunk(reader):
        into += chunk
        if len(into) > MAX_ANSWER:
            raise _TooLong


async def _fed(process: asyncssh.SSHClientProcess[bytes], data: bytes) -> None:
    """A command that does not read its input to the end has not failed for that."""
    with contextlib.suppress(OSError):
        for start in range(0, len(data), CHUNK):
            process.stdin.write(data[start : start + CHUNK])
            await process.stdin.drain()
        process.stdin.write_eof()


async def _closed(connection: asyncssh.SSHClientConnection) -> None:
    connection.close()
    await connection.wait_closed()
